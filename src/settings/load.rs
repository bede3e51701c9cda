//! Reading the layers.

use super::model::Settings;
use crate::sys::{files, state_file};
use anyhow::Context;
use config::{Config, Environment, File, FileFormat};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the operator of the machine puts settings for everyone.
const SYSTEM: &str = "/etc/vipdeck";
/// `VIPDECK_CONSOLE__THEME` is `console.theme`.
const PREFIX: &str = "VIPDECK";

/// The settings from all layers below the flags; `extra` is the file of `--settings`.
pub fn load(extra: Option<&Path>) -> anyhow::Result<Settings> {
    // A variable that is not UTF-8 cannot be one of ours.
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let system = files::toml_files(Path::new(SYSTEM)).with_context(|| format!("settings: list {SYSTEM}"))?;
    let user = user_file(&variables).filter(|path| path.exists());
    merge(&Layers { files: system.into_iter().chain(user).collect(), extra: extra.map(Path::to_owned), variables })
}

/// What lies above the built-in defaults, weakest first.
#[derive(Debug, Default)]
struct Layers {
    files: Vec<PathBuf>,
    extra: Option<PathBuf>,
    variables: BTreeMap<String, String>,
}

/// `$XDG_CONFIG_HOME/vipdeck/settings.toml`, or below ~/.config.
fn user_file(variables: &BTreeMap<String, String>) -> Option<PathBuf> {
    // The XDG specification has relative paths ignored.
    let directory = |name: &str| variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = directory("XDG_CONFIG_HOME").or_else(|| Some(directory("HOME")?.join(".config")))?;
    Some(base.join("vipdeck/settings.toml"))
}

fn merge(layers: &Layers) -> anyhow::Result<Settings> {
    let defaults = Config::try_from(&Settings::default()).context("settings: the built-in defaults")?;
    let mut builder = Config::builder().add_source(defaults);
    for path in layers.files.iter().chain(&layers.extra) {
        anyhow::ensure!(path.is_file(), "settings: no such file: {}", path.display());
        builder = builder.add_source(File::from(path.as_path()).format(FileFormat::Toml));
        // For the line and column of what is wrong in it; what it leaves to other layers is no matter here.
        let text =
            state_file::read(path).with_context(|| format!("settings: read {}", path.display()))?.unwrap_or_default();
        toml::from_str::<Settings>(&text)
            .map_err(|e| anyhow::anyhow!("settings: {}: {}", path.display(), e.to_string().trim_end()))?;
        // Each layer is tried by itself on top of those below, so that an error names the file that made it.
        read(builder.build_cloned()).with_context(|| format!("settings: {}", path.display()))?;
    }
    // Every setting is in a section: a name without the two underscores, such as VIPDECK_LOG, is none.
    let is_setting = |name: &str| name.strip_prefix("VIPDECK_").is_some_and(|rest| rest.contains("__"));
    let ours = |(name, value): (&String, &String)| is_setting(name).then(|| (name.clone(), value.clone()));
    let variables = layers.variables.iter().filter_map(ours).collect();
    // Values stay text until a field asks for a number or a switch: a name such as 0123 keeps its zero.
    let environment = Environment::with_prefix(PREFIX).prefix_separator("_").separator("__").source(Some(variables));
    builder = builder.add_source(environment.ignore_empty(true));
    read(builder.build()).context("settings: VIPDECK_ variables, such as VIPDECK_CONSOLE__THEME=light")
}

/// The settings of one file's text on top of the built-in defaults.
pub fn parse(text: &str) -> anyhow::Result<Settings> {
    let defaults = Config::try_from(&Settings::default()).context("settings: the built-in defaults")?;
    let file = File::from_str(text, FileFormat::Toml);
    read(Config::builder().add_source(defaults).add_source(file).build()).context("settings")
}

fn read(built: Result<Config, config::ConfigError>) -> Result<Settings, config::ConfigError> {
    built?.try_deserialize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_layers_the_defaults_hold() {
        assert_eq!(merge(&Layers::default()).unwrap(), Settings::default());
    }

    #[test]
    fn a_later_layer_wins_and_leaves_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let system = file(&directory, "10.toml", "[console]\ntheme = \"light\"\nascii = true\n");
        let user = file(&directory, "settings.toml", "[console]\ntheme = \"mono\"\nmouse = false\n");
        let extra = file(&directory, "extra.toml", "[control]\nview_group = \"0123\"\n[console]\ntheme = \"high\"\n");
        let variables = variables(&[("VIPDECK_CONSOLE__ASCII", "false"), ("VIPDECK_CONTROL__OPERATE_GROUP", "007")]);
        let settings = merge(&Layers { files: vec![system, user], extra: Some(extra), variables }).unwrap();
        assert_eq!(settings.console.theme, "high");
        assert!(!settings.console.ascii && !settings.console.mouse);
        assert_eq!(settings.control.view_group.as_deref(), Some("0123"));
        assert_eq!(settings.control.operate_group.as_deref(), Some("007"));
    }

    #[test]
    fn errors_name_the_file_and_the_key() {
        let directory = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("[console]\ntheem = \"x\"\n", "line 2, column 1"),
            ("[console]\nascii = \"perhaps\"\n", "line 2, column 9"),
            ("[cluster.web]\nnodes = [\n  \"ssh://lb-a\",\n  \"http://lb-b\",\n]\n", "line 2, column 9"),
            ("[cluster.web]\nnodes = [\"ssh://\"]\n", "names no host"),
            ("[cluster.web]\nnods = []\n", "line 2"),
            ("[metrics]\nlisten = \"0.0.0.0:9650\"\n", "not a loopback address"),
            ("[console\n", "line"),
        ] {
            let path = file(&directory, "bad.toml", text);
            let error = merge(&Layers { files: vec![path], ..Layers::default() }).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains("bad.toml") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_missing_settings_file_is_an_error() {
        let error = merge(&Layers { extra: Some("/no/such.toml".into()), ..Layers::default() }).unwrap_err();
        assert_eq!(error.to_string(), "settings: no such file: /no/such.toml");
    }

    #[test]
    fn a_variable_that_names_no_setting_is_an_error() {
        let variables = variables(&[("VIPDECK_CONSOLE__COLOUR", "red")]);
        let error = format!("{:#}", merge(&Layers { variables, ..Layers::default() }).unwrap_err());
        assert!(error.contains("VIPDECK_") && error.contains("colour"), "{error}");
    }

    #[test]
    fn the_users_file_follows_the_xdg_rules() {
        let at = |pairs: &[(&str, &str)]| user_file(&variables(pairs));
        assert_eq!(at(&[("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")]), Some("/x/vipdeck/settings.toml".into()));
        assert_eq!(at(&[("XDG_CONFIG_HOME", "x"), ("HOME", "/h")]), Some("/h/.config/vipdeck/settings.toml".into()));
        assert_eq!(at(&[]), None);
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}
