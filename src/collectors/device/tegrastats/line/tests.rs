use super::*;

/// The boards' lines are the cases in tests/cases/tegrastats; here is what no board is known to write.
fn read(line: &str) -> Reading {
    parse(line).unwrap()
}

fn on(load: Option<f64>, frequencies: &[f64]) -> Engine {
    Engine {
        on: true,
        load,
        frequencies: frequencies.to_vec(),
    }
}

#[test]
fn a_mb_is_1024_times_1024_bytes() {
    let ram = Some(Space {
        used: 1_048_576.0,
        total: 3.0 * 1_048_576.0,
    });
    let iram = Some(Space {
        used: 0.0,
        total: 252.0 * 1024.0,
    });
    let reading = read("RAM 1/3MB (lfb 1x512kB) IRAM 0/252kB(lfb 252kB)");
    assert_eq!((reading.ram, reading.iram, reading.swap), (ram, iram, None));
}

#[test]
fn every_form_of_an_engine_is_read() {
    assert_eq!(engine("4%@1600"), Some(on(Some(0.04), &[1.6e9])));
    assert_eq!(engine("0%"), Some(on(Some(0.0), &[])));
    assert_eq!(engine("@2133"), Some(on(None, &[2.133e9])));
    assert_eq!(engine("174"), Some(on(None, &[174e6])));
    assert_eq!(engine("99%@[305,0]"), Some(on(Some(0.99), &[305e6, 0.0])));
    assert_eq!(engine("@[0,0]"), Some(on(None, &[0.0, 0.0])));
    assert_eq!(engine("OFF"), Some(Engine::default()));
    for wrong in ["", "@", "x", "4", "NaN", "4%@x", "[1,x]"] {
        assert_eq!(engine(wrong).is_some(), wrong == "4", "{wrong}");
    }
}

#[test]
fn two_graphics_engines_are_told_apart() {
    let reading = read("GR3D_FREQ 10%@318 GR3D_PCI 20%@2505");
    let names: Vec<_> = reading
        .gpus
        .iter()
        .map(|(name, gpu)| (name.as_str(), gpu.load))
        .collect();
    assert_eq!(names, [("GR3D", Some(0.1)), ("GR3D_PCI", Some(0.2))]);
}

#[test]
fn a_core_that_is_off_has_no_load() {
    let reading = read("CPU [6%@1420, off, 0%]");
    let core = |online, load, frequency| Core {
        online,
        load,
        frequency,
    };
    assert_eq!(
        reading.cores,
        [
            core(true, Some(0.06), Some(1.42e9)),
            core(false, None, None),
            core(true, Some(0.0), None)
        ]
    );
}

#[test]
fn cores_that_cannot_be_counted_are_unknown() {
    assert_eq!(cores("[6%@1420,?,0%@1]"), None);
    assert_eq!(cores("[6%@1420"), None);
}

#[test]
fn words_that_are_not_known_are_passed_over() {
    let reading = read("NEW 3 RAM 1/2MB MTS fg 1% bg 9% XYZ 7%@3 (what ever) SOC@ @3C NC 0/0 VDD_IN 5W");
    let expected = Reading {
        ram: Some(Space {
            used: 1_048_576.0,
            total: 2_097_152.0,
        }),
        ..Reading::default()
    };
    assert_eq!(reading, expected);
}

#[test]
fn a_line_that_was_cut_gives_what_is_whole() {
    let reading = read("RAM 1/2MB (lfb 1x4MB) CPU [1%@102,0%@1");
    assert_eq!((reading.ram.is_some(), reading.cores.len()), (true, 0));
}

#[test]
fn a_line_in_which_nothing_is_known_is_refused_in_short() {
    assert_eq!(
        parse("Hello world!"),
        Err("expected a line of tegrastats, got `Hello world!`".to_string())
    );
    assert_eq!(parse(&"x".repeat(1000)).unwrap_err().len(), 37 + 60);
    assert!(parse("").is_err());
}
