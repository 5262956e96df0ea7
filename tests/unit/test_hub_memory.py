"""The table of docs/hub.md: how much memory a hub's machine needs for a class. `make lint` compares the stored one."""

from tools import hub

LESSONS = {
    "04_x": {"title": "4 · X", "read_min": 47, "with_amx": {"peak_mb": 2900}, "without_amx": {"peak_mb": 3243}},
    "13_y": {"title": "13 · Y", "read_min": 24},
}


def test_the_rule_adds_the_hub_a_server_and_a_kernel_for_each_learner():
    assert hub.kernel(3243) == 3.5 and hub.kernel(3000) == 3.0
    assert hub.machine(3243, 10) == 38  # 1 + 10 * (0.2 + 3.5)


def test_the_highest_measured_peak_counts_and_what_was_not_measured_is_not_guessed():
    *_, first, second = hub.table(LESSONS).splitlines()
    assert first == "| 4 · X | 3.2 GB | 3.7 GB | 38 GB | 75 GB | 149 GB |"
    assert second == "| 13 · Y | not yet | – | – | – | – |"


def test_the_page_has_the_place_of_the_table_once():
    assert len(hub.BLOCK.findall(hub.PAGE.read_text(encoding="utf-8"))) == 1
    assert hub.page().count("| lesson | measured |") == 1
