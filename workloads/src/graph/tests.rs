use super::*;

fn options(users: u32, regions: u32, degrees: Degrees) -> GraphOptions {
    GraphOptions { users, regions, degrees, seed: 7 }
}

/// Sizes where something can go wrong: one user, nobody's friend, all are friends, regions without users, odd sums.
fn shapes() -> Vec<GraphOptions> {
    let tail = Degrees::HeavyTailed { median: 12, max: 400 };
    vec![
        options(1, 1, Degrees::Constant(0)),
        options(2, 1, Degrees::Constant(1)),
        options(3, 7, Degrees::Constant(1)),
        options(10, 3, Degrees::Constant(0)),
        options(50, 4, Degrees::Constant(49)),
        options(1_001, 4, Degrees::Constant(21)),
        options(5_000, 1, Degrees::Constant(20)),
        options(4_099, 5, tail),
        options(700, 255, tail),
        // Regions of 70,001 and 70,000 users: two segments each.
        options(140_001, 2, Degrees::Constant(3)),
    ]
}

fn row(graph: &Graph, user: u32) -> Vec<u32> {
    graph.row(user).users().collect()
}

#[test]
fn friendship_is_mutual_and_nobody_is_its_own_friend_or_anybody_elses_twice() {
    for options in shapes() {
        let graph = Graph::build(&options).unwrap();
        let mut pairs = 0u64;
        for user in 0..graph.users() {
            let row = row(&graph, user);
            assert!(row.iter().all(|friend| *friend < options.users && *friend != user), "{options:?}");
            let order = |friend: &u32| (friend % options.regions, friend / options.regions);
            assert!(row.windows(2).all(|pair| order(&pair[0]) < order(&pair[1])), "{options:?}: {user} has {row:?}");
            assert!(
                row.iter().all(|friend| graph.row(*friend).users().any(|back| back == user)),
                "{options:?}: {user}"
            );
            assert_eq!(graph.degree(user) as usize, row.len());
            pairs += row.len() as u64;
        }
        assert_eq!(pairs, graph.edges());
    }
}

#[test]
fn a_regions_slice_is_its_part_of_the_row_at_its_position() {
    for options in shapes() {
        let graph = Graph::build(&options).unwrap();
        let mut position = 0;
        for user in 0..graph.users() {
            assert_eq!(graph.start(user), position);
            let mut together = Vec::new();
            for region in 0..options.regions {
                let slice = graph.slice(user, region);
                assert_eq!(slice.start(), position);
                assert!(slice.users().all(|friend| friend % options.regions == region));
                assert_eq!(slice.users().count(), slice.len());
                together.extend(slice.users());
                position += slice.len() as u64;
            }
            assert_eq!(together, row(&graph, user));
            for without in 0..5 {
                assert!(graph.row(user).users_from(without).eq(together.iter().copied().skip(without)));
            }
        }
        assert_eq!(position, graph.edges());
    }
}

#[test]
fn degrees_are_as_asked_but_for_those_drawn_twice() {
    // Each of 20,000 users asks for 41 friends, an odd number. Expected to be dropped: 41 * 40 / (2 * 20,000) = 0.041
    // a user, 820 in all, standard deviation below 60; and never more than 8 of one user.
    let graph = Graph::build(&options(20_000, 3, Degrees::Constant(41))).unwrap();
    assert!((500..1_200).contains(&graph.edges_dropped()), "{}", graph.edges_dropped());
    assert!((0..20_000).all(|user| (33..=41).contains(&graph.degree(user))));
    assert_eq!(graph.edges() + graph.edges_dropped(), 20_000 * 41);
}

#[test]
fn a_heavy_tail_reaches_above_2000_and_its_median_stays() {
    let (users, median, max) = (30_000, 30, 5_000);
    let graph = Graph::build(&options(users, 4, Degrees::HeavyTailed { median, max })).unwrap();
    let mut degrees: Vec<u32> = (0..users).map(|user| graph.degree(user)).collect();
    degrees.sort_unstable();
    // The most popular one draws 5,000 of about 1.17 million stubs; a friend of degree d is drawn with d / 1.17 million
    // each time, and popular friends again and again: some hundred are dropped.
    assert!((4_000..=max).contains(&degrees[users as usize - 1]), "{}", degrees[users as usize - 1]);
    // power = ln(5,000 / 30) / ln 15,000 = 0.532; above 2,000: 15,000 * (2,000 / 30)^(-1 / 0.532) = 5.6 users.
    let above = degrees.iter().filter(|degree| **degree > 2_000).count();
    assert!((3..=8).contains(&above), "{above}");
    assert!(degrees[users as usize / 2].abs_diff(median) <= 2, "{}", degrees[users as usize / 2]);
    // Popular users are not all in one region.
    let popular = |region| (0..users).filter(|user| user % 4 == region && graph.degree(*user) > 300).count();
    assert!((0..4).all(|region| popular(region) > 20));
    assert!(graph.edges_dropped() * 50 < graph.edges(), "{} of {}", graph.edges_dropped(), graph.edges());
}

#[test]
fn the_same_seed_gives_the_same_graph_and_another_seed_another() {
    let tail = options(5_000, 3, Degrees::HeavyTailed { median: 20, max: 300 });
    for options in [options(5_000, 3, Degrees::Constant(20)), tail] {
        let graph = Graph::build(&options).unwrap();
        let again = Graph::build(&options).unwrap();
        assert_eq!((&graph.starts, &graph.friends), (&again.starts, &again.friends));
        let other = Graph::build(&GraphOptions { seed: 8, ..options }).unwrap();
        let same = (0..5_000).map(|user| graph.row(user).users().filter(|f| other.contains(user, *f)).count());
        // Two of 5,000 rows of 20 agree by chance in 20 * 20 / 5,000 = 0.08 friends: 400 in all.
        assert!(same.sum::<usize>() < 2_000);
    }
}

#[test]
fn friends_are_anybody() {
    // 2,000 users with 100 friends in 4 regions: each is anybody's friend with 5 %. Of the 2,000 * 25 edges within a
    // region's 500 users, as many go to the lower as to the upper half.
    let graph = Graph::build(&options(2_000, 4, Degrees::Constant(100))).unwrap();
    let mut cells = [[0i64; 8]; 8];
    for user in 0..2_000 {
        graph.row(user).users().for_each(|friend| cells[user as usize / 250][friend as usize / 250] += 1);
    }
    // About 195,200 edges in 64 cells: 3,050 each, standard deviation 54 (twice that on the diagonal, where each counts twice).
    for row in cells {
        assert!(row.iter().all(|seen| (seen - 3_050).abs() < 350), "{row:?}");
    }
}

#[test]
fn who_is_in_a_row_is_found_and_nobody_else() {
    let graph = Graph::build(&options(300, 7, Degrees::Constant(40))).unwrap();
    for user in 0..300 {
        let row = row(&graph, user);
        for friend in 0..300 {
            let place = row.iter().position(|known| *known == friend);
            assert_eq!(graph.position(user, friend), place.map(|place| graph.start(user) + place as u64));
        }
    }
    assert!(!graph.contains(0, 300) && !graph.contains(300, 0));
}

#[test]
fn the_mirror_of_an_edge_is_the_edge_back() {
    // Slices of more than 512 friends, where eight bits of a place do not say which it is, beside those where they do.
    let long = options(4_000, 2, Degrees::HeavyTailed { median: 60, max: 3_000 });
    for options in shapes().into_iter().chain([long]) {
        let graph = Graph::build(&options).unwrap();
        let mirror = graph.mirror();
        let mut longest = 0;
        for user in 0..graph.users() {
            let own = graph.row(user);
            let places = mirror.places(own.start()..own.start() + own.len() as u64);
            for (friend, mirrored) in own.users().zip(places) {
                let slice = graph.slice(friend, user % options.regions);
                let place = graph.place_back(user, friend, *mirrored, slice.len());
                assert_eq!(graph.position(friend, user), Some(slice.start() + place as u64), "{options:?}");
                longest = longest.max(slice.len());
            }
        }
        assert_eq!(mirror.places(0..graph.edges()).len() as u64, graph.edges());
        assert!(options != long || longest > 512, "{longest}");
    }
}

#[test]
fn what_cannot_be_built_is_refused() {
    let degrees = Degrees::Constant(1);
    let error = |options| Graph::build(&options).unwrap_err();
    assert_eq!(error(options(0, 1, degrees)), GraphError::UsersOutOfRange { users: 0 });
    assert_eq!(error(options(USERS_MAX + 1, 1, degrees)), GraphError::UsersOutOfRange { users: USERS_MAX + 1 });
    assert_eq!(error(options(10, 0, degrees)), GraphError::RegionsOutOfRange { regions: 0 });
    assert_eq!(error(options(10, 256, degrees)), GraphError::RegionsOutOfRange { regions: 256 });
    assert_eq!(error(options(1, 1, degrees)), GraphError::DegreeTooLarge { degree: 1, most: 0 });
    assert_eq!(error(options(1, 1, degrees)).to_string(), "1 friends: at most 0 are possible");
}
