//! What lies where among many figures.

/// The figure that so many of a hundred are not above: one of them, the nearest rank. Not a number, if there are none.
pub(super) fn percentile(figures: &[f64], percent: usize) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    let rank = (figures.len() * percent).div_ceil(100);
    figures.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentile_is_the_nearest_rank_whatever_the_order() {
        let figures: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&figures, percent)), [100.0, 198.0, 200.0]);
        assert_eq!([50, 99].map(|percent| percentile(&[7.0, 3.0, 5.0], percent)), [5.0, 7.0]);
        assert_eq!(percentile(&[4.0], 0), 4.0);
        assert!(percentile(&[], 50).is_nan());
    }
}
