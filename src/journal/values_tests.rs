use super::*;

fn bytes_of(values: &[f64], runs: &[usize]) -> usize {
    let (mut head, mut bits) = (Vec::new(), BitWriter::default());
    put_column(values, runs, &mut head, &mut bits);
    let bits = bits.finish();
    let back = take_column(
        values.len(),
        runs,
        &mut Reader::new(&head),
        &mut BitReader::new(&bits),
    )
    .unwrap();
    let pattern = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(pattern(&back), pattern(values));
    head.len() + bits.len()
}

const ODD: [f64; 12] = [
    f64::NAN,
    -f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -0.0,
    0.0,
    5e-324,
    f64::MIN_POSITIVE / 2.0,
    f64::MAX,
    f64::MIN,
    9_007_199_254_740_993.0,
    0.1 + 0.2,
];

#[test]
fn every_bit_pattern_reads_back() {
    let mut seed = fastrand::Rng::with_seed(3);
    bytes_of(&ODD, &[1; 12]);
    bytes_of(&ODD, &[6, 6]);
    for value in ODD {
        bytes_of(&[value; 9], &[9]);
        let mut column: Vec<f64> = (0..90).map(f64::from).collect();
        column[40] = value;
        bytes_of(&column, &[1; 90]);
        bytes_of(&column, &[30, 60]);
    }
    let random: Vec<f64> = (0..1000).map(|_| f64::from_bits(seed.u64(..))).collect();
    bytes_of(&random, &[10; 100]);
}

#[test]
fn decimals_quotients_and_repeats_are_cheap() {
    let mut seed = fastrand::Rng::with_seed(3);
    let mut column =
        |make: &mut dyn FnMut(u32) -> f64| -> Vec<f64> { (0..1000).map(|_| make(seed.u32(..))).collect() };
    let ones = [1; 1000];
    let percentages = column(&mut |random| f64::from(random % 10_000) / 100.0);
    assert!(bytes_of(&percentages, &ones) < 1_770);
    let ticks = column(&mut |random| f64::from(random % 999) / 998.0);
    assert!(bytes_of(&ticks, &ones) < 1_270);
    let singles = column(&mut |random| f64::from(f32::from_bits(0x4200_0000 | (random % (1 << 22)))));
    assert!(bytes_of(&singles, &ones) < 2_790);
    let mut last = 0.0;
    let steady = column(&mut |random| {
        if random % 10 == 0 {
            last = f64::from(random).sqrt();
        }
        last
    });
    assert!(bytes_of(&steady, &[100; 10]) < 950);
}
