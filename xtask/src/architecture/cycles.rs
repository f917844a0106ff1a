//! Shortest cycles of a directed graph.

use std::collections::{BTreeSet, VecDeque};

/// Nodes in the order of the arrows, the smallest first; the last leads back to the first.
pub(crate) type Cycle = Vec<usize>;

/// A shortest cycle through each of the nodes `0..nodes` that is part of one, each cycle once.
pub(crate) fn shortest(nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<Cycle> {
    let mut successors = vec![Vec::new(); nodes];
    for (from, to) in edges {
        successors[from].push(to);
    }
    let cycles: BTreeSet<Cycle> = (0..nodes).filter_map(|node| through(node, &successors)).collect();
    cycles.into_iter().collect()
}

/// Breadth-first search from a node back to itself.
fn through(start: usize, successors: &[Vec<usize>]) -> Option<Cycle> {
    let mut predecessor = vec![None; successors.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &next in &successors[node] {
            if next == start {
                let mut cycle = vec![node];
                while let Some(before) = predecessor[*cycle.last().unwrap_or(&start)] {
                    cycle.push(before);
                }
                cycle.reverse();
                let smallest = (0..cycle.len()).min_by_key(|&k| cycle[k]).unwrap_or(0);
                cycle.rotate_left(smallest);
                return Some(cycle);
            }
            if predecessor[next].is_none() {
                predecessor[next] = Some(node);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shortest_cycle_is_found_once() {
        let cycles = |edges: &[(usize, usize)]| shortest(6, edges.iter().copied());
        assert_eq!(cycles(&[(0, 1), (1, 2), (0, 2), (3, 1)]), Vec::<Cycle>::new());
        assert_eq!(cycles(&[(2, 1), (1, 0), (0, 2), (2, 3)]), [[0, 2, 1]]);
        // A loop of two within a loop of four; node 5 only leads into them.
        let both = cycles(&[(0, 1), (1, 0), (1, 2), (2, 3), (3, 0), (5, 0)]);
        assert_eq!(both, [vec![0, 1], vec![0, 1, 2, 3]]);
    }
}
