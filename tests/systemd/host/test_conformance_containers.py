"""What every runtime promises (see `tests/machines/test_conformance.py`), kept by real containers."""

from tests.machines.test_conformance import (  # noqa: F401
    test_a_cancelled_start_leaves_nothing_unwatched,
    test_a_cancelled_stop_goes_on,
    test_a_follower_sees_what_was_and_what_comes,
    test_a_kill_cuts_a_patient_stop_short,
    test_a_kill_does_not_ask,
    test_a_stubborn_agent_is_not_waited_for_beyond_the_deadline,
    test_all_who_stop_at_once_share_one_outcome,
    test_an_agent_that_fails_leaves_its_last_words,
    test_an_agent_that_is_done_has_ended_cleanly,
    test_an_end_from_outside_is_heard,
    test_creating_twice_is_creating_once,
    test_ending_what_does_not_run_is_no_error,
    test_it_can_be_started_again_after_its_end,
    test_nothing_runs_twice,
    test_of_two_starts_at_once_one_is_refused,
    test_only_the_stopped_can_be_destroyed,
    test_there_is_nothing_to_adopt_where_nothing_runs,
    test_who_adopts_hears_the_end_in_place_of_who_started,
)
