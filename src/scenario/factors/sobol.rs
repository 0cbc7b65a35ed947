//! Sobol' points: a sequence that fills a cube evenly, each power of two of it better than the last.
//!
//! Direction numbers of Joe and Kuo (2008), file `new-joe-kuo-6`; order of Antonov and Saleev (Gray code), as in their
//! program. A digital shift, one random number per coordinate, keeps the evenness and makes every point uniform, so that
//! several shifts give an error estimate. Which streams shifts come from belongs to `levels`.

/// Degree, coefficients and initial numbers of each coordinate after the first.
const DIRECTIONS: [(u32, u32, &[u64]); 20] = [
    (1, 0, &[1]),
    (2, 1, &[1, 3]),
    (3, 1, &[1, 3, 1]),
    (3, 2, &[1, 1, 1]),
    (4, 1, &[1, 1, 3, 3]),
    (4, 4, &[1, 3, 5, 13]),
    (5, 2, &[1, 1, 5, 5, 17]),
    (5, 4, &[1, 1, 5, 5, 5]),
    (5, 7, &[1, 1, 7, 11, 19]),
    (5, 11, &[1, 1, 5, 1, 1]),
    (5, 13, &[1, 1, 1, 3, 11]),
    (5, 14, &[1, 3, 5, 5, 31]),
    (6, 1, &[1, 3, 3, 9, 7, 49]),
    (6, 13, &[1, 1, 1, 15, 21, 21]),
    (6, 16, &[1, 3, 1, 13, 27, 49]),
    (6, 19, &[1, 1, 1, 15, 7, 5]),
    (6, 22, &[1, 3, 1, 15, 13, 25]),
    (6, 25, &[1, 1, 5, 5, 19, 61]),
    (7, 1, &[1, 3, 7, 11, 23, 15, 103]),
    (7, 4, &[1, 3, 7, 13, 13, 15, 69]),
];
/// Most coordinates.
pub const DIMENSIONS_MAX: usize = DIRECTIONS.len() + 1;
/// Bits of a coordinate: as many as a double holds exactly.
const BITS: usize = 52;

/// The first `points` points in `shifts.len()` coordinates, each shifted by its number; shifts of 0 give the plain
/// sequence. Coordinates are at least 0 and below 1.
///
/// # Panics
/// If there are more than [`DIMENSIONS_MAX`] coordinates.
pub fn points(points: usize, shifts: &[u64]) -> Vec<Vec<f64>> {
    const STEP: f64 = 1.0 / (1_u64 << BITS) as f64;
    let directions: Vec<[u64; BITS]> = (0..shifts.len()).map(directions).collect();
    let mut state: Vec<u64> = shifts.iter().map(|shift| shift >> (64 - BITS)).collect();
    let mut found = Vec::with_capacity(points);
    for number in 0..points {
        found.push(state.iter().map(|bits| *bits as f64 * STEP).collect());
        // The next point differs in the bit that changes from one Gray code to the next: the lowest zero of the number.
        let bit = number.trailing_ones() as usize;
        for (bits, direction) in state.iter_mut().zip(&directions) {
            *bits ^= direction[bit];
        }
    }
    found
}

fn directions(dimension: usize) -> [u64; BITS] {
    let mut numbers = [0; BITS];
    let Some(earlier) = dimension.checked_sub(1) else {
        for (bit, number) in numbers.iter_mut().enumerate() {
            *number = 1 << (BITS - 1 - bit);
        }
        return numbers;
    };
    let (degree, coefficients, initial) = DIRECTIONS[earlier];
    let degree = degree as usize;
    for bit in 0..BITS {
        numbers[bit] = match initial.get(bit) {
            Some(odd) => odd << (BITS - 1 - bit),
            None => {
                let mut number = numbers[bit - degree] ^ (numbers[bit - degree] >> degree);
                for k in 1..degree {
                    if coefficients >> (degree - 1 - k) & 1 == 1 {
                        number ^= numbers[bit - k];
                    }
                }
                number
            }
        };
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first ten points in three coordinates as the program of Joe and Kuo prints them.
    #[test]
    fn the_first_points_are_the_published_ones() {
        let expected = [
            [0.0, 0.0, 0.0],
            [0.5, 0.5, 0.5],
            [0.75, 0.25, 0.25],
            [0.25, 0.75, 0.75],
            [0.375, 0.375, 0.625],
            [0.875, 0.875, 0.125],
            [0.625, 0.125, 0.875],
            [0.125, 0.625, 0.375],
            [0.1875, 0.3125, 0.9375],
            [0.6875, 0.8125, 0.4375],
        ];
        assert_eq!(points(10, &[0; 3]), expected);
    }

    #[test]
    fn every_coordinate_is_stratified_with_and_without_a_shift() {
        for shift in [0, 0x0123_4567_89ab_cdef, u64::MAX] {
            let found = points(256, &[shift; DIMENSIONS_MAX]);
            for dimension in 0..DIMENSIONS_MAX {
                let mut strata: Vec<u32> = found.iter().map(|point| (point[dimension] * 256.0) as u32).collect();
                strata.sort_unstable();
                assert_eq!(strata, (0..256).collect::<Vec<u32>>(), "coordinate {dimension}");
            }
        }
    }

    /// Two coordinates of which each quarter of a square has a quarter of the points.
    #[test]
    fn the_first_two_coordinates_fill_the_square() {
        let found = points(64, &[77, 99]);
        let mut boxes = [0; 64];
        for point in found {
            boxes[(point[0] * 8.0) as usize * 8 + (point[1] * 8.0) as usize] += 1;
        }
        assert_eq!(boxes, [1; 64]);
    }
}
