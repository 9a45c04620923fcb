//! Traces that once ended badly, as the search shrank them.

use super::ends_well;
use super::step::Fault::*;
use super::step::Step::*;

#[test]
fn regression_nothing_ends_well() {
    ends_well(&[Save("a", 1, true), Wait(1000), Do(0, Fine), Hear(0)]);
}
