"""What an instructor brings to `textclf grade`: the class's list, due dates, marks by hand, a platform's export."""

import codecs
from datetime import UTC, datetime
from os import utime
from pathlib import Path

import pytest

from textclf_lesson.base.errors import GradingError
from textclf_lesson.grade import by_hand, deadline, gradebook, register, roster, tables
from textclf_lesson.grade.assignment import Assignment, Item
from textclf_lesson.grade.marking import Mark, Marks

STEM = "01_framing"
ASSIGNMENT = Assignment(STEM, (Item("kappa", 3, ""), Item("quiz", 2, "")), ("kappa", "quiz"))
PRACTICAL = Assignment("15_x", (Item("quiz", 2, ""),), ("quiz",), by_hand=(Item("memo", 6, ""),))
STUDENTS = "id,name,email\ns1,Ada Lovelace,ada@uni.example\ns2,Gödel Kurt,kurt@uni.example\n"


def written(path: Path, text: str, encoding: str = "utf-8", mark: bytes = b"") -> Path:
    path.write_bytes(mark + text.encode(encoding))
    return path


@pytest.fixture
def students(tmp_path) -> roster.Roster:
    return roster.read(written(tmp_path / "students.csv", STUDENTS))


def marks_of(student: str, points: float, submission: str = "", **more) -> Marks:
    about = {"student": student, "name": ""}
    return Marks(submission or f"{student}/{STEM}", STEM, [Mark("kappa", points, 5, "partly")], about=about, **more)


# --- whose a file is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("submission", "whose"),
    [
        ("lovelaceada_12_34_01_framing", "s1"),
        ("lovelaceada_LATE_12_34_01_framing-1", "s1"),
        ("Ada Lovelace_77_assignsubmission_file_/01_framing", "s1"),
        ("Ada Lovelace - 01_framing", "s1"),
        ("submitted/s2/01_framing/01_framing", "s2"),
        ("s2_01_framing_exercise", "s2"),
        ("s2/01_framing_exercise.zip/01_framing_exercise", "s2"),
        ("kurt/01_framing", "s2"),
        ("Kurt Godel - 01_framing", "s2"),
        ("01_framing", None),
        ("Adam Lovelace - 01_framing", None),
    ],
)
def test_a_file_is_known_by_the_names_that_platforms_give(students, submission, whose):
    student, why = students.whose(submission, [STEM])
    assert (student and student.id) == whose
    assert bool(why) == (whose is None)


def test_a_file_that_could_be_of_two_is_of_neither(tmp_path):
    two = roster.read(written(tmp_path / "two.csv", "id,name\n1,Ann Lee\n2,Ann Lee\n"))
    student, why = two.whose("Ann Lee - 01_framing", [STEM])
    assert student is None and why == "its name fits several students of two.csv: 1 (Ann Lee), 2 (Ann Lee)"
    assert two.whose("2/01_framing", [STEM])[0].id == "2", "an id is surer than a name"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "id,name\ns1,Ada\ns2,Bob\ns1,Cyd\n",
            "the `id` s1 stands in rows 2 and 4; each student needs one of their own",
        ),
        ("who,name\ns1,Ada\n", "has no column `id` by which students are known; it has `who`, `name`"),
        ("id,ID,name\ns1,s1,Ada\n", "has 2 columns `id`: rename one"),
        ("id,name,email\n,Ada,a@b.example\n", "row 2 (Ada) has no `id`"),
        ("id,name\n", "lists no student"),
        ("", "is empty"),
        ("id,name\n\0\0", "is not a CSV file: save it as CSV"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_in_a_sentence(tmp_path, text, sentence):
    with pytest.raises(GradingError) as told:
        roster.read(written(tmp_path / "students.csv", text))
    assert sentence in str(told.value)
    assert str(told.value).startswith(str(tmp_path)) and str(told.value).endswith(". Nothing was graded.")
    assert "\n" not in str(told.value)


# --- due dates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["2026-11-20 23:59 Europe/Berlin", "2026-11-20T23:59+01:00", "2026-11-20T22:59Z", "2026-11-20 22:59:00 UTC"]
)
def test_a_moment_has_a_time_zone(text):
    assert deadline.moment_of(text, "--due") == datetime(2026, 11, 20, 22, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-11-20T23:59", "has no time zone"),
        ("2026-11-20 23:59", "has no time zone"),
        ("2026-11-20", "has no time of the day"),
        ("2026-11-20 Europe/Berlin", "has no time of the day"),
        ("2026-11-20 23:59 Europe/Atlantis", "is no date, time and time zone"),
        ("tomorrow", "is no date, time and time zone"),
        ("2026-11-20T23:59+01:00 Europe/Berlin", "has both an offset and a time zone"),
        ("2026-10-25 02:30 Europe/Berlin", "there twice or never: write the offset"),
        ("2026-03-29 02:30 Europe/Berlin", "there twice or never: write the offset"),
    ],
)
def test_a_moment_that_cannot_be_told_apart_is_refused(text, sentence):
    with pytest.raises(GradingError) as told:
        deadline.moment_of(text, "--due")
    assert sentence in str(told.value)


def test_lateness_is_told_in_the_zone_of_the_due_date_and_takes_no_points(tmp_path, students):
    granted = written(tmp_path / "more.csv", "id,due\ns2,2026-11-21T12:00+01:00\n")
    until = deadline.read("2026-11-20 23:59 Europe/Berlin", granted, students)
    notebook = written(tmp_path / "01_framing.ipynb", "{}")
    moment = datetime(2026, 11, 21, 1, 4, 30, tzinfo=UTC).timestamp()
    utime(notebook, (moment, moment))
    late = until.check("s1/01_framing", notebook, students.by_id("s1"))
    assert late == {
        "handed_in": "2026-11-21 02:04:30+01:00",
        "time_from": "the file's last change",
        "due": "2026-11-20 23:59+01:00",
        "late": "2 h 6 min",
    }
    assert until.check("s2/01_framing", notebook, students.by_id("s2"))["late"] == "", "an extension"
    assert until.told() == "Due 2026-11-20 23:59 Europe/Berlin, which is 2026-11-20 22:59 UTC; 1 extensions."


def test_what_nbgrader_wrote_down_counts_more_than_the_time_of_a_file(tmp_path):
    notebook = written(tmp_path / "01_framing.ipynb", "{}")
    written(tmp_path / "timestamp.txt", "2026-11-20 22:58:59.123456 UTC")
    until = deadline.read("2026-11-20T22:58:59Z", None, None)
    told = until.check("ada/01_framing", notebook, None)
    assert (told["time_from"], told["late"]) == ("nbgrader's timestamp.txt", "1 min")


def test_canvas_s_mark_counts_where_the_file_s_time_says_nothing(tmp_path):
    notebook = written(tmp_path / "x.ipynb", "{}")
    utime(notebook, (0, 0))
    until = deadline.read("2026-11-20T22:58:59Z", None, None)
    assert until.check("leeann_LATE_1_2_01_framing", notebook, None)["late"] == "marked by Canvas"
    assert until.check("leeann_1_2_01_framing", notebook, None)["late"] == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,due\ns9,2026-11-21T12:00Z\n", "row 2 names 's9', who is not in students.csv"),
        ("id,due\ns1,2026-11-21T12:00\n", "row 2: '2026-11-21T12:00' has no time zone"),
        ("id,due\ns1,2026-11-21T12:00Z\ns1,2026-11-22T12:00Z\n", "row 3 names s1 a second time"),
        ("id,due\ns1,2026-11-19T12:00Z\n", "row 2 ends before --due"),
        ("student,due\ns1,2026-11-21T12:00Z\n", "needs the columns `id` and `due`"),
    ],
)
def test_an_extension_that_cannot_be_meant_is_told(tmp_path, students, text, sentence):
    with pytest.raises(GradingError) as told:
        deadline.read("2026-11-20T22:59Z", written(tmp_path / "more.csv", text), students)
    assert sentence in str(told.value)


# --- marks by hand ----------------------------------------------------------------------------------------------------


def test_marks_by_hand_join_the_others_and_what_is_missing_waits(tmp_path, students):
    text = "id;name;memo;talk (4 points);memo comment;comment\ns1;Ada;4,5;4;Clear.;Well done\ns2;Kurt;;0;;\n"
    given = by_hand.read(written(tmp_path / "marks.csv", text), students, [PRACTICAL])
    ada, kurt = (given.complete(Marks(who, "15_x", [Mark("quiz", 2, 2, "right")]), who) for who in ("s1", "s2"))
    assert ada.marks[1:] == [Mark("memo", 4.5, 6, "partly", "Clear."), Mark("talk", 4, 4, "right")]
    assert (ada.points, ada.out_of, ada.open, ada.about["comment"]) == (10.5, 12, 0, "Well done")
    assert kurt.marks[1:] == [Mark("memo", 0, 6, "unmarked", by_hand.WAITS), Mark("talk", 0, 4, "wrong")]
    assert (kurt.points, kurt.open) == (2, 6)
    assert given.unused([("s1", "15_x")]) == [("s2", "15_x")]


def test_without_a_file_the_rubric_s_rows_wait():
    waits = by_hand.of_assignments([PRACTICAL]).complete(Marks("x", "15_x", [Mark("quiz", 2, 2, "right")]), "")
    assert [(mark.item, mark.verdict) for mark in waits.marks] == [("quiz", "right"), ("memo", "unmarked")]


def test_a_row_says_which_exercise_it_is_about(tmp_path, students):
    text = "id,assignment,memo,essay (3)\ns1,15,6,\ns1,1,,2\n"
    given = by_hand.read(written(tmp_path / "marks.csv", text), students, [ASSIGNMENT, PRACTICAL])
    assert given.rows == {STEM: {"essay": 3}, "15_x": {"memo": 6}}
    assert given.given == {("s1", "15_x"): {"memo": 6}, ("s1", STEM): {"essay": 2}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,memo\ns1,7\n", "row 2, `memo`: '7' is no number from 0 to 6"),
        ("id,memo\ns1,good\n", "row 2, `memo`: 'good' is no number from 0 to 6"),
        ("id,memo\ns1,nan\n", "row 2, `memo`: 'nan' is no number from 0 to 6"),
        ("id,memo\ns9,1\n", "row 2 names 's9', who is not in students.csv"),
        ("id,memo\ns1,1\ns1,2\n", "row 3 marks s1 a second time"),
        ("id,essay\ns1,1\n", "no rubric has a row `essay` that is marked by hand"),
        ("id,quiz (2)\ns1,1\n", "`quiz` is judged by a check"),
        ("name,memo\nAda,1\n", "has no column `id`"),
    ],
)
def test_marks_that_cannot_be_understood_are_told(tmp_path, students, text, sentence):
    with pytest.raises(GradingError) as told:
        by_hand.read(written(tmp_path / "marks.csv", text), students, [PRACTICAL])
    assert sentence in str(told.value)


# --- into a platform's export -----------------------------------------------------------------------------------------

CANVAS = (
    'Student,ID,SIS Login ID,"01_framing (9)",Final\r\n"    Points Possible",,,5,(read only)\r\n'
    '"Lovelace, Ada",101,"ada@uni.example",,88\r\n"O\'Neil, ""Jo""",102,jo,1.5,7\r\n'
)
MOODLE = (
    '"Identifier";"Full name";"Email address";"Grade";"Maximum grade";"Feedback comments"\n'
    '"Participant 11";"Ada Lovelace";"ada@uni.example";"";"5,00";"two\nlines; here"\n'
    '"Participant 12";"Kurt Gödel";"kurt@uni.example";"2,00";"5,00";""\n'
)


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8", codecs.BOM_UTF8), ("utf-16-le", codecs.BOM_UTF16_LE), ("cp1252", b"")],
)
@pytest.mark.parametrize("export", [CANVAS, MOODLE])
def test_a_file_that_is_not_changed_is_written_as_it_was_read(tmp_path, export, encoding, mark):
    path = written(tmp_path / "export.csv", export, encoding, mark)
    assert tables.read(path).as_bytes() == path.read_bytes()


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_points_go_into_the_column_of_the_assignment_in_canvas_s_export(tmp_path, students, mark):
    path = written(tmp_path / "canvas.csv", CANVAS, mark=mark)
    book = gradebook.find(roster.read(path), [STEM], None)
    told = book.merge([marks_of("s1", 4.5), marks_of("s2", 3)], students)
    assert book.write().endswith("grades entered in 1 row; as it was before: canvas.before.csv.")
    expected = CANVAS.replace('"Lovelace, Ada",101,"ada@uni.example",,88', '"Lovelace, Ada",101,ada@uni.example,4.5,88')
    assert path.read_bytes() == mark + expected.encode()
    assert (tmp_path / "canvas.before.csv").read_bytes() == mark + CANVAS.encode()
    assert told == [
        'In canvas.csv, but nothing graded for `01_framing (9)`, 1: 102 (O\'Neil, "Jo").',
        "Graded, but not in canvas.csv, 1: s2/01_framing (s2).",
    ]


def test_moodle_s_worksheet_keeps_its_quotes_its_comma_and_its_code_page(tmp_path, students):
    path = written(tmp_path / "moodle.csv", MOODLE, "cp1252")
    book = gradebook.find(roster.read(path), [STEM], None)
    told = book.merge([marks_of("s1", 4.5), marks_of("s2", 3)], students)
    book.write()
    expected = MOODLE.replace('example";"";"5,00"', 'example";"4,5";"5,00"').replace('"2,00"', '"3"')
    assert path.read_bytes() == expected.encode("cp1252")
    assert told == ["Entries of moodle.csv that were replaced, 1: Participant 12 (Kurt Gödel): 2,00 is now 3."]


def test_the_number_in_a_file_s_name_finds_the_row_too(tmp_path):
    known = roster.read(written(tmp_path / "students.csv", "id,name\ns1,Ada Lovelace\n"))
    book = gradebook.find(roster.read(written(tmp_path / "canvas.csv", CANVAS)), [STEM], None)
    book.merge([marks_of("s1", 4, "lovelaceada_101_7_01_framing")], known)
    assert book.table.rows[1].entries == ["Lovelace, Ada", "101", "ada@uni.example", "4", "88"]


def test_what_is_not_final_or_not_clear_is_listed_and_not_entered(tmp_path):
    path = written(tmp_path / "canvas.csv", CANVAS)
    export = roster.read(path)
    book = gradebook.find(export, [STEM], None)
    waits = Marks("102/01_framing", STEM, [Mark("memo", 0, 6, "unmarked")], about={"student": "102"})
    twice = [marks_of("101", 1, name) for name in ("101/01_framing", "101/old/01_framing")]
    told = book.merge([waits, *twice], export)
    assert "Not final, so not entered, 1: 102/01_framing (102), 6 points open." in told
    assert "Several submissions of one student, none of them entered, 1: 101/01_framing and 101/old/01_framing." in told
    assert book.write() == f"{path}: nothing to change."
    assert path.read_bytes() == CANVAS.encode() and not (tmp_path / "canvas.before.csv").exists()


def test_another_maximum_is_told_and_nothing_is_scaled(tmp_path, students):
    book = gradebook.find(roster.read(written(tmp_path / "m.csv", MOODLE.replace("5,00", "100,00"))), [STEM], None)
    assert any("`Grade` has 100 points at most there, and 01_framing has 5" in line for line in book.merge(
        [marks_of("s1", 4)], students
    ))  # fmt: skip


def test_a_second_merge_keeps_the_first_copy(tmp_path, students):
    path = written(tmp_path / "canvas.csv", CANVAS)
    for points in (1, 2, 2):
        book = gradebook.find(roster.read(path), [STEM], None)
        book.merge([marks_of("s1", points)], students)
        book.write()
    copies = sorted(tmp_path.glob("canvas.before*"))
    assert [copy.name for copy in copies] == ["canvas.before-2.csv", "canvas.before.csv"]
    assert copies[1].read_bytes() == CANVAS.encode()


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (None, "has no column for 02_baselines: name one with --column; there are `Student`"),
        ("Exercise 2", "has no column `Exercise 2`; it has `Student`"),
    ],
)
def test_a_column_is_never_guessed(tmp_path, column, sentence):
    export = roster.read(written(tmp_path / "canvas.csv", CANVAS))
    with pytest.raises(GradingError) as told:
        gradebook.find(export, ["02_baselines"], column)
    assert sentence in str(told.value)


# --- what does not go together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"extensions": Path("x.csv")}, "--extensions needs --due"),
        ({"extensions": Path("x.csv"), "due": "2026-11-20T22:59Z"}, "--extensions needs --roster"),
        ({"marks": Path("x.csv")}, "--marks needs --roster"),
        ({"column": "Grade"}, "--column needs --into"),
        ({"roster": Path("nowhere.csv")}, "There is no file nowhere.csv"),
        ({"feedback": Path(__file__).parent}, "exists already: name a new folder for the feedback"),
        ({"feedback": Path(__file__)}, "exists already: name a new folder for the feedback"),
    ],
)
def test_options_that_need_another_say_which(options, sentence):
    with pytest.raises(GradingError) as told:
        register.read(register.Options(**options))
    assert sentence in str(told.value)
