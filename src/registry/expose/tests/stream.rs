//! Filters, chunks, compression, and pages that are written at once.

use std::io::Read;
use std::thread;

use flate2::read::GzDecoder;

use super::golden::awkward;
use super::*;

#[test]
fn the_filter_takes_written_escaped_and_sample_names() {
    let view = awkward();
    for (name, expected) in [
        ("app.hits", "app_hits"),
        ("app_hits", "app_hits"),
        ("host_cpu_seconds_total", "host_cpu_seconds"),
        ("host_cpu_seconds", "host_cpu_seconds"),
        ("web_seconds_bucket", "web_seconds"),
        ("tawny_ready", "tawny_ready"),
    ] {
        let mut request = request(Format::OpenMetrics100, Escaping::Underscores);
        request.names = vec![name.to_string(), "no such".to_string()];
        let page = shown(&view, &request);
        let heads: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .collect();
        assert_eq!(heads.len(), 1, "{page}");
        assert!(heads[0].starts_with(&format!("{expected} ")), "{page}");
    }
}

fn long() -> Arc<Fake> {
    let mut fake = Fake::default();
    for family in 0..20 {
        let series = (0..1000).map(|n| {
            (
                Labels::new([("n", n.to_string())]),
                Value::Number(f64::from(n) / 7.0),
            )
        });
        fake.add(&format!("m{family:02}"), Shape::Gauge, "Help.", series.collect());
    }
    Arc::new(fake)
}

#[test]
fn chunks_are_small_and_compressed_ones_hold_the_same_page() {
    let view = long();
    let plain = request(Format::OpenMetrics100, Escaping::AllowUtf8);
    let names: Vec<String> = (0..20).map(|n| format!("m{n:02}")).collect();
    let plain = PageRequest { names, ..plain };
    let chunks: Vec<_> = page(view.clone(), own(), plain.clone()).collect();
    let whole: Vec<u8> = chunks.iter().flatten().copied().collect();
    assert!(chunks.len() > 5, "{}", chunks.len());
    assert!(chunks.iter().all(|chunk| chunk.len() < 2 * 64 * 1024));
    assert_eq!(whole.iter().filter(|byte| **byte == b'\n').count(), 20 * 1002 + 1);

    let packed: Vec<_> = page(view, own(), PageRequest { gzip: true, ..plain }).collect();
    let packed: Vec<u8> = packed.into_iter().flatten().collect();
    assert!(packed.len() < whole.len() / 4);
    let mut unpacked = Vec::new();
    GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == whole);
}

#[test]
fn pages_that_are_written_at_once_are_equal() {
    let view = long();
    let expected = shown(&view, &PageRequest::default());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| shown(&view, &PageRequest::default())))
            .collect();
        for thread in threads {
            assert!(thread.join().unwrap() == expected);
        }
    });
}

#[test]
fn the_own_metrics_stand_on_every_page_and_count_it() {
    let own = own();
    let view = Arc::new(Fake::default());
    for format in Format::ALL {
        for escaping in Escaping::ALL {
            if escaping == Escaping::AllowUtf8 && !format.quotes_names() {
                continue;
            }
            let bytes: Vec<u8> = page(view.clone(), own.clone(), request(format, escaping))
                .flatten()
                .collect();
            let text = String::from_utf8(bytes).unwrap();
            let name = if escaping == Escaping::Dots {
                "tawny__build__info{"
            } else {
                "tawny_build_info{"
            };
            assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
            assert_eq!(text.ends_with("# EOF\n"), format.is_openmetrics());
        }
    }
    let page: Vec<u8> = page(view, own, PageRequest::default()).flatten().collect();
    let page = String::from_utf8(page).unwrap();
    assert!(
        page.contains("\ntawny_scrapes_total{format=\"openmetrics_1.0.0\"} 4\n"),
        "{page}"
    );
    assert!(page.contains(
        "# TYPE tawny_scrapes_total counter\n# HELP tawny_scrapes_total Pages that were written to their end, by format.\n"
    ));
}
