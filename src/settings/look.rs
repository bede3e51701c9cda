//! How the console looks: the settings below the flags.

use super::model as settings;
use crate::cli;

/// The settings with what the command line says on top.
pub fn look(settings: &settings::Console, flags: &cli::Look) -> settings::Console {
    settings::Console {
        theme: flags.theme.clone().unwrap_or_else(|| settings.theme.clone()),
        ascii: settings.ascii || flags.ascii,
        // What is on screen is no name an engine knows.
        view_only: settings.view_only || flags.view_only || settings.privacy || flags.privacy.privacy,
        privacy: settings.privacy || flags.privacy.privacy,
        ..settings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_a_setting() {
        let settings = settings::Console { theme: "light".into(), ascii: true, ..settings::Console::default() };
        let flags = cli::Look { view_only: true, ..cli::Look::default() };
        let both = look(&settings, &flags);
        assert_eq!((both.theme.as_str(), both.ascii, both.view_only), ("light", true, true));
        let flags = cli::Look { theme: Some("mono".into()), ..flags };
        assert_eq!(look(&settings, &flags).theme, "mono");
    }
}
