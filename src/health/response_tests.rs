use super::*;

const ALL: Want = Want { digest: true, keep: KEPT_BODY };

/// The response in pieces of `size` bytes, then the end.
fn read(text: &[u8], size: usize) -> Result<Page, Problem> {
    let mut response = Response::new(ALL);
    for piece in text.chunks(size.max(1)) {
        if response.feed(piece)? {
            break;
        }
    }
    response.end()
}

fn md5(text: &str) -> [u8; 16] {
    Md5::digest(text).into()
}

#[test]
fn a_body_ends_with_its_length_its_chunks_or_the_connection() {
    for size in [1, 2, 7, 1000] {
        let page = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellomore", size).unwrap();
        assert_eq!((page.status, page.body.as_slice(), page.missing), (200, &b"hello"[..], 0));
        assert_eq!(page.digests, [md5("hello")]);
        let page = read(b"HTTP/1.0 404 Not Found\r\n\r\nhello", size).unwrap();
        assert_eq!((page.status, page.bytes), (404, 5));
        let framed = "3;x=y\r\nhel\r\n02\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n";
        let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n{framed}");
        let page = read(chunked.as_bytes(), size).unwrap();
        assert_eq!(page.body, b"hello");
        assert_eq!(page.digests, [md5("hello"), md5(framed)]);
        let page = read(b"HTTP/1.1 204 No Content\r\n\r\n", size).unwrap();
        assert_eq!((page.status, page.bytes), (204, 0));
        let page =
            read(b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", size).unwrap();
        assert_eq!(page.status, 201);
    }
}

#[test]
fn what_ends_early_says_where() {
    assert_eq!(read(b"", 9), Err(Problem::Nothing));
    assert_eq!(read(b"HTTP/1.1 200 OK\r\nA: b", 9), Err(Problem::EndsInHead(21)));
    assert_eq!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 9).unwrap().missing, 4);
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello";
    assert_eq!(read(chunked, 9), Err(Problem::EndsInChunk(5)));
    let bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello";
    assert_eq!(read(bad, 9), Err(Problem::BadChunk));
    assert!(matches!(read(b"220 mail.example ESMTP\r\n", 9), Err(Problem::NotHttp(_))));
}

#[test]
fn endless_heads_and_chunks_end_here() {
    let line = b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    let many = [&b"HTTP/1.1 200 OK\r\n"[..], &line.repeat(10_000)].concat();
    assert_eq!(read(&many, 4096), Err(Problem::ManyLines));
    let long = [&b"HTTP/1.1 200 OK\r\nX: "[..], &b"a".repeat(2 * HEAD)].concat();
    assert_eq!(read(&long, 4096), Err(Problem::LongHead));
    let chunk = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &b"0".repeat(100_000)].concat();
    assert_eq!(read(&chunk, 4096), Err(Problem::BadChunk));
    let trailer = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"[..], &line.repeat(10_000)].concat();
    assert_eq!(read(&trailer, 4096), Err(Problem::LongHead));
}

#[test]
fn only_the_start_of_a_long_body_is_kept() {
    let mut response = Response::new(Want { digest: false, keep: 10 });
    response.feed(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    for _ in 0..1000 {
        assert!(!response.feed(&[b'x'; 1000]).unwrap());
    }
    let page = response.end().unwrap();
    assert_eq!((page.body.len(), page.bytes), (10, 1_000_000));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, size in 1usize..50) {
        let _ = read(&bytes, size);
        let chunked = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &bytes].concat();
        let _ = read(&chunked, size);
    }
}
