"""Behind what a request says in words of its schema stands the schema's spelling, and nothing else of it changes."""

from __future__ import annotations

import json
import random
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support import dataset_options, make_schemas

from pipeline.requests import reading
from pipeline.requests.linking import linked
from pipeline.requests.prompts import with_links
from pipeline.schemas.dsl import SchemaField, answer_schema, with_refusal
from pipeline.schemas.json_text import minify
from pipeline.teachers.embedded_teacher import EmbeddedTeacher

NUMBERS = {"greater": "gt", "at_least": "min", "equals": "eq"}
SCHEMA = minify(
    answer_schema(
        [
            SchemaField("jobTitle", "text", {"equals": "eq", "starts_with": "begins"}, ("job title", "intitul\u00e9"),
                        operator_hints={"is": "eq", "starts with": "begins"}),
            SchemaField("pay", "number", NUMBERS, ("salary",),
                        operator_hints={"is": "eq", "is more than": "gt", "at least": "min", "or more": "min"}),
            SchemaField("contract", "enum", {"not_equals": "neq", "in": "oneOf"}, ("contract",), ("FIXED_TERM", "open"),
                        {"cdd": "FIXED_TERM"}, {"is not": "neq", "among": "oneOf"}),
            SchemaField("remote", "boolean", {"equals": "is"}, ("remote work",), (), {"remote work": "true", "on site": "false"},
                        {"is": "is"}),
            SchemaField("hired", "date", {"after": "since"}, ("hiring day",), operator_hints={"after": "since"}),
        ],
        ("then",),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Job title is", "Job title [jobTitle] is [eq]"),
        ("jobTitle starts with x", "jobTitle [jobTitle] starts with [begins] x"),
        ("INTITULE is \"salary is cdd\"", "INTITULE [jobTitle] is [eq] \"salary is cdd\""),
        # a long word may be a plural, lack an accent or have a typing mistake; where two are as near, none is meant
        ("intitul\u00e9s", "intitul\u00e9s [jobTitle]"),
        ("Intitules, job titles, contarct", "Intitules [jobTitle], job titles [jobTitle], contarct [contract]"),
        ("hirring day aftre 2, job tilte", "hirring day [hired] aftre [since] 2, job tilte"),
        # one of an operator from five letters on, where a letter is left out, added or swapped but the first
        ("hiring day aftter 2, hiring day alter 2", "hiring day [hired] aftter [since] 2, hiring day [hired] alter [?] 2"),
        ("hiring day fater 2, salary at lest 2", "hiring day [hired] fater [?] 2, salary [pay] at lest [?] 2"),
        ("salaries are, pays, pay, is, iss", "salaries [pay] are, pays [pay], pay [pay], is [eq], iss"),
        ("jbo title, cddd", "jbo title, cddd"),
        ("\"job titles\" [salery]", "\"job titles\" [salery]"),
        ("salary is more than 3", "salary [pay] is more than [gt] 3"),
        ("salary is 3 or more", "salary [pay] is [eq] 3 or more [min]"),
        ("at least 3 salary", "at least [pay min] 3 salary"),
        ("job title is x and at least 3 salary", "job title [jobTitle] is [eq] x and at least [pay min] 3 salary"),
        ("at least 3 and salary over 4", "at least [pay min] 3 and salary [pay] over [gt] 4"),
        ("200 euros or more, 3 eggs is", "[pay min] 200 euros or more, 3 eggs is"),
        ("for 200 euros or more", "for [pay min] 200 euros or more"),
        ("paid 200 or more", "paid 200 or more"),
        ("salary is over 3, salary at least over 4", "salary [pay] is over [gt] 3, salary [pay] at least [min] over [gt] 4"),
        ("it is at least 3 > salary is 4", "it is at least [pay min] 3 > salary [pay] is [eq] 4"),
        # what is quoted, where one field alone holds texts
        ('all by "x"', 'all by [jobTitle eq] "x"'),
        ('salary 3, by "x" then with "y"', 'salary [pay eq] 3, by [jobTitle eq] "x" then [step] with [jobTitle eq] "y"'),
        ('salary by "x", wood "x", "x"', 'salary [pay] by [?] "x", wood "x", [jobTitle eq] "x"'),
        ('job title by "x"', 'job title [jobTitle] by [?] "x"'),
        ('with "x" as job title', 'with "x" as job title [jobTitle]'),
        ('all starting with "x"', 'all starting with [jobTitle begins] "x"'),
        ("it is at least a salary under 3", "it is at least a salary [pay] under [?] 3"),
        ("it is cdd contract", "it is cdd [contract oneOf FIXED_TERM] contract"),
        # what the field before it does not have is not said, though another field has it
        ("job title at least 3", "job title [jobTitle] at least [?] 3"),
        ("contract starts with x, job title is y", "contract [contract] starts with x, job title [jobTitle] is [eq] y"),
        ("contract is not cdd then salary is 4", "contract [contract] is not [neq] cdd [FIXED_TERM] then [step] salary [pay] is [eq] 4"),
        ("contract among fixed term, open", "contract [contract] among [oneOf] fixed term [FIXED_TERM], open [open]"),
        ("on site, salary is 4", "on site [remote is false], salary [pay] is [eq] 4"),
        ("remote work", "remote work [remote is true]"),
        ("remote", "remote [remote is true]"),
        ("hiring day after 3 march 2024 [2024-03-03]", "hiring day [hired] after [since] 3 march 2024 [2024-03-03]"),
        ("salary n'is x", "salary [pay] n'is x"),
        ("nothing of it", "nothing of it"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_phrase_of_the_schema_has_its_spelling_behind_it(said, shown):
    assert linked(said, SCHEMA) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("salary under 3 then salary at least 4", "salary [pay] under [?] 3 then [step] salary [pay] at least [min] 4"),
        ("contract is neither cdd nor open", "contract [contract] is neither [?] cdd [FIXED_TERM] nor open [open]"),
        ('job title has "is"', 'job title [jobTitle] has [?] "is"'),
        ("hiring day before 3 march 2024", "hiring day [hired] before [?] 3 march 2024 [2024-03-03]"),
        ("hiring day before the 2024-03-03", "hiring day [hired] before the [?] 2024-03-03"),
        # nothing is said between, no value is, or it is a time span's
        ("salary: 3, contract cdd", "salary [pay eq]: 3, contract [contract] cdd [FIXED_TERM]"),
        ("job title and salary", "job title [jobTitle] and salary [pay]"),
        ("job title of the last 7 days", "job title [jobTitle] of the last 7 days [2024-03-11 2024-03-17]"),
        ("remote not on site", "remote [remote] not on site [remote is false]"),
    ],
)
def test_words_that_are_no_operator_of_the_field_before_them_are_marked(said, shown):
    assert with_links(json.loads(SCHEMA), said, date(2024, 3, 17)) == shown


LOTS = minify(
    answer_schema(
        [
            SchemaField("kind", "enum", {"equals": "is"}, ("lot kind",), ("book", "ring"), {"livre": "book"}),
            SchemaField("state", "enum", {"not_in": "noneOf"}, ("state",), ("torn", "clean")),
            SchemaField(
                "owner", "enum", {"equals": "is", "not_in": "zorp"}, ("owner",), ("anna", "ben"), {"under 30": "ben"}
            ),
            SchemaField("price", "integer", {"greater": "over"}, ("hammer price", "prix")),
            SchemaField("sold", "date", {"before": "before"}, ("day of sale",)),
        ]
    )
)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        # exceptions of a field that takes none
        ("all but books", "all but [kind] [?] books [book]"),
        ("clean, tous sauf les livres", "[state] [?] clean [clean], tous sauf [kind] [?] les livres [book]"),
        ("without rings", "without [kind] [?] rings [ring]"),
        ("lot kind except books", "lot kind [kind] except [?] books [book]"),
        # that takes lists alone, or what may mean one under a name that is not known
        ("all but torn", "all but torn [state noneOf torn]"),
        ("none of torn", "none of torn [state noneOf torn]"),
        ("torn, clean", "[state] [?] torn [torn], clean [clean]"),
        ("all but anna", "all but anna [anna]"),
        # comparisons, alone
        ("under 20", "under [price] [?] 20"),
        ("books, less than 20", "books [kind is book], less than [price] [?] 20"),
        ("rings under 20", "rings [kind is ring] under [price] [?] 20"),
        ("after 3 may", "after [sold] [?] 3 may [2024-05-03]"),
        ("over 20, before 3 may", "over [price over] 20, before [sold before] 3 may [2024-05-03]"),
        # of the field that the number counts, or that is said before
        ("books for less than 20 euros of hammer", "books [kind is book] for less than [price] [?] 20 euros of hammer"),
        ("hammer under 20", "hammer [price] under [?] 20"),
        ("prix d'au moins 20", "prix [price] d'au moins [?] 20"),
        ("at most 20, at least 20", "at most [price] [?] 20, at least [price] [?] 20"),
        ("owner: under 20", "owner [owner]: under [?] 20"),
        # not where other words may be the field, what is quoted, or where no number follows
        ("hammer under twenty", "[?] hammer under twenty"),
        ("under 30", "under 30 [owner is ben]"),
        ("weight under 20", "weight [?] under 20"),
        ("weight is under 20", "weight [?] is under 20"),
        ('"under 20", under twenty', '"under 20", under twenty'),
    ],
)  # fmt: skip
def test_an_operator_that_its_field_does_not_have_has_the_field_and_a_mark_behind_it(said, shown):
    assert with_links(json.loads(LOTS), said, date(2024, 5, 14)) == shown


BOATS = minify(
    answer_schema(
        [
            SchemaField("hull", "enum", {"equals": "eq", "not_in": "noneOf"}, ("hull",), ("steel", "wood", "glass"), {"under paint": "glass"},
                        {"is": "eq", "neither": "noneOf"}),
            SchemaField("flag", "enum", {"in": "anyOf"}, ("flag",), ("greek", "dutch"), {}, {"among": "anyOf", "or": "anyOf"}),
            SchemaField("sail", "enum", {"equals": "is", "in": "among"}, ("sail",), ("main", "jib"), {}, {"is": "is"}),
            SchemaField("berths", "integer", {"equals": "eq", "at_least": "min"}, ("berths",), operator_hints={"is": "eq"}),
        ],
        ("then",),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        # several values of a field that takes one
        ("steel or wood", "[hull] [?] steel [steel] or wood [wood]"),
        ("show steel, wood or glass boats", "show [hull] [?] steel [steel], wood [wood] or glass [glass] boats"),
        ("greek, steel and wood", "greek [flag anyOf greek], [hull] [?] steel [steel] and wood [wood]"),
        ("hull is steel or wood", "hull [hull] is [?] steel [steel] or wood [wood]"),
        ("hull is greek, steel or wood", "hull [hull] is [eq] greek [greek], steel [steel] or wood [wood]"),
        ("hull is under paint or wood", "hull [hull] is [?] under paint [glass] or wood [wood]"),
        ("hull is of steel or wood", "hull [hull] is of [?] steel [steel] or wood [wood]"),
        ("is steel or wood", "is [hull] [?] steel [steel] or wood [wood]"),
        ("greek or dutch then steel", "greek [flag anyOf greek] or dutch [dutch] then [step] steel [hull eq steel]"),
        # not where they are excepted, or of which one is said alone
        ("neither steel nor wood", "neither steel [hull noneOf steel] nor wood [wood]"),
        ("ni steel ni wood", "ni steel [steel] ni wood [wood]"),
        ("neither steel, wood", "neither steel [hull noneOf steel], wood [wood]"),
        ("sail is main or jib", "sail [sail] is [is] main [main] or jib [jib]"),
        ("all but steel or wood", "all but steel [hull noneOf steel] or wood [wood]"),
        ("hull is steel, flag among greek", "hull [hull] is [eq] steel [steel], flag [flag] among [anyOf] greek [greek]"),
        # what is said behind a number to compare with it
        ("4 or less", "[berths] [?] 4 or less"),
        ("steel, 4 or less then 6 or more", "steel [hull eq steel], [berths] [?] 4 or less then [step] [berths min] 6 or more"),
        ("flag among greek, 4 or less", "flag [flag] among [anyOf] greek [greek], [berths] [?] 4 or less"),
        ("berths is 4 or less", "berths [berths] is [?] 4 or less"),
        ("berths is more than 4", "berths [berths] is more than [?] 4"),
        ("berths is under a 4", "berths [berths] is [eq] under a 4"),
        ("berths is at least 4", "berths [berths] is at least [min] 4"),
        ("berths is 4 persons or less only", "berths [berths] is [?] 4 persons or less only"),
        ("4 berths or less", "[berths] [?] 4 berths or less"),
        # not where its field has it, or it may belong to something else
        ("berths is 4 or more", "berths [berths] is [eq] 4 or more [min]"),
        ("berths is 4, or less wood", "berths [berths] is [eq] 4, or less wood [hull eq wood]"),
        ("4 or less rooms", "4 or less rooms"),
        ("masts 4 or less", "masts 4 or less"),
    ],
)  # fmt: skip
def test_what_the_value_says_of_an_operator_that_lacks_has_the_field_and_a_mark(said, shown):
    assert linked(said, BOATS) == shown


def test_an_operator_that_ends_what_people_say_for_another_is_not_said():
    draft = SchemaField("draft", "number", {"between": "within"}, ("draft",), operator_hints={"de": "within"})
    schema = minify(answer_schema([draft]))
    assert linked("draft de 3 \u00e0 4", schema) == "draft [draft] de [within] 3 \u00e0 4"
    assert linked("draft plus de 3", schema) == "draft [draft] plus de [?] 3"
    assert linked("au-dessus de 3.5", schema) == "au-dessus de [draft] [?] 3.5"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("restart the server", "[?] restart the server"),
        ("hello", "[?] hello"),
        ("books", "books [kind is book]"),
        ("yesterday", "yesterday [2024-05-13 2024-05-13]"),
        ("number 7", "number 7"),
        ('of "corot"', 'of "corot"'),
        ("", ""),
        ("...", "..."),
    ],
)
def test_a_request_without_a_word_of_its_schema_has_a_mark_before_it(said, shown):
    assert with_links(json.loads(LOTS), said, date(2024, 5, 14)) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("under 20 kg of honey", "under [honey] [?] 20 kg of honey"),
        ("over 20 kg of honey", "over [honey above] 20 kg of honey"),
        ("at least 20", "at least 20"),  # of which of the two?
        ("under 20 grams of wax", "under [wax lt] 20 grams of wax"),
        ("before 3 may", "before 3 may [2024-05-03]"),  # which may be called anything
    ],
)
def test_a_comparison_that_some_field_may_have_is_not_taken_for_a_missing_one(said, shown):
    schema = answer_schema(
        [
            SchemaField("honey", "number", {"greater": "above"}, ("honey yield",)),
            SchemaField("wax", "number", {"less": "lt"}, ("wax yield",)),
            SchemaField("made", "date", {"on": "zorp"}, ("day",)),
        ]
    )
    assert with_links(schema, said, date(2024, 5, 14)) == shown


HIVES = minify(
    answer_schema(
        [
            SchemaField("strength", "enum", {"equals": "is", "not_equals": "isNot", "in": "anyOf"}, ("colony strength",),
                        ("weak", "medium", "strong", "old"), {"faible": "weak"}, {"is": "is", "is not": "isNot", "ou": "anyOf"}),
            SchemaField("queenAge", "integer", {"greater": "above"}, ("queen age",), operator_hints={"above": "above"}),
            SchemaField("wood", "enum", {"not_equals": "isNot"}, ("wood",), ("oak", "old"), operator_hints={"is not": "isNot"}),
            SchemaField("treated", "boolean", {"equals": "is"}, ("treated", "trait\u00e9e")),
            SchemaField("painted", "boolean", {"equals": "is"}, ("painted",), (), {"not painted": "false"}),
        ],
        ("then",),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("weak hives", "weak [strength is weak] hives"),
        ("la faible, queen age above 2", "la faible [strength is weak], queen age [queenAge] above [above] 2"),
        ("queen age above 2 and weak", "queen age [queenAge] above [above] 2 and weak [strength is weak]"),
        ("treated [treated is true], weak", "treated [treated is true], weak [strength is weak]"),
        ("weak or strong, medium", "weak [strength anyOf weak] or strong [strong], medium [medium]"),
        ("weak ou strong", "weak [strength anyOf weak] ou strong [strong]"),
        ("weak plus the strong", "weak [strength is weak] plus the strong [strength is strong]"),
        ("is not weak", "is not weak [strength isNot weak]"),
        # where the field is said, or another is waiting for its value, the value is what it was
        ("colony strength is weak", "colony strength [strength] is [is] weak [weak]"),
        ("weak colony strength", "weak [strength is weak] colony strength"),
        ("queen age weak", "queen age [queenAge] weak [weak]"),
        ("colony strength is weak then medium", "colony strength [strength] is [is] weak [weak] then [step] medium [strength is medium]"),
        # two fields have it, the field cannot be equal to it, or it is denied in other words
        ("old hives", "old [old] hives"),
        ("oak hives", "[wood] [?] oak [oak] hives"),
        ("without weak hives", "without weak [strength isNot weak] hives"),
        # what is true or false, by its name
        ("what is treated, weak", "what is treated [treated is true], weak [strength is weak]"),
        ("treated ones", "treated [treated is true] ones"),
        ("treated by 3 people", "treated [treated is true] by 3 people"),
        ("pas trait\u00e9e", "pas trait\u00e9e [treated is false]"),
        ("not painted ones", "not painted [painted is false] ones"),
        ("treated: no", "treated [treated]: no"),
        ("false for treated", "false for treated [treated]"),
        ("treated is set to true", "treated [treated] is [is] set to true"),
        # an operator without its field, where one field alone has it and no other words could be the field
        ("above 3, weak", "above [queenAge above] 3, weak [strength is weak]"),
        ("weak above 3 then above 4", "weak [strength is weak], above [queenAge above] 3 then [step] above [queenAge above] 4"),
        ("weak above 3, queen above 4", "weak [strength is weak], above [queenAge above] 3, queen [queenAge] above [above] 4"),
        # conditions beside each other have a comma between, as joined ones have
        ("weak treated queen age above 3", "weak [strength is weak], treated [treated is true], queen age [queenAge] above [above] 3"),
        ("weak or medium treated above 3", "weak [strength anyOf weak] or medium [medium], treated [treated is true], above [queenAge above] 3"),
        ("weak ones that are treated", "weak [strength is weak], ones that are treated [treated is true]"),
        ("weak then treated and weak, above 3", "weak [strength is weak] then [step] treated [treated is true] and weak [strength is weak], above [queenAge above] 3"),
        ("queen age above 3 then above 4", "queen age [queenAge] above [above] 3 then [step] above [queenAge above] 4"),
        ("above 3 then queen age above 4", "above [queenAge above] 3 then [step] queen age [queenAge] above [above] 4"),
        ("wax above 3", "wax [?] above 3"),
        ("wax above 3, queen age above 4", "wax [?] above 3, queen age [queenAge] above [above] 4"),
        ("above all, is not 3", "above all, is not 3"),
        ("colony strength above 3", "colony strength [strength] above [?] 3"),
        # operators as people say them, whatever the schema lists
        ("queen age over 3", "queen age [queenAge] over [above] 3"),
        ("queen age [queenAge] is more than [above] 3", "queen age [queenAge] is more than [above] 3"),
        ("queen age at least 3", "queen age [queenAge] at least [?] 3"),
        ("anything older than 3", "anything older than [queenAge above] 3"),
        ("3 or more, 3 ou moins", "[queenAge] [?] 3 or more, [queenAge] [?] 3 ou moins"),
        ("dessus 3, au-dessus de 4", "dessus 3, au-dessus de [queenAge above] 4"),
        ("all but weak", "all but weak [strength isNot weak]"),
        ("except the weak ones, not the weak", "except the weak [strength isNot weak] ones, not the weak [strength isNot weak]"),
        ("without the weak ones, sans les faibles", "without the weak [strength isNot weak] ones, sans les faibles [strength isNot weak]"),
        ("all except weak", "all except weak [strength isNot weak]"),
        ("sauf les faibles, after that treated ones", "sauf les faibles [strength isNot weak], after that [step] treated [treated is true] ones"),
        ("except weak or medium", "except weak [weak] or medium [medium]"),
        ("untreated, non-trait\u00e9es", "untreated [treated is false], non-trait\u00e9es [treated is false]"),
        # a field by a part of its name that no other has, where nothing makes another name of it and what is said of it
        # follows
        ("queens above 3, the colony is weak", "queens [queenAge] above [above] 3, the colony [strength] is [is] weak [weak]"),
        ("queen 3", "queen [queenAge] 3"),
        ("a queen of more than 3", "a queen [queenAge] of more than [above] 3"),
        ("more than 3 years of queen, weak", "more than [queenAge above] 3 years of queen, weak [strength is weak]"),
        ("more than 3, queen", "more than [queenAge above] 3, queen"),
        ("more than 3 queen eggs", "more than [queenAge above] 3 queen eggs"),
        ("bee queen above 3, the colony except weak", "bee queen above [queenAge above] 3, the colony except weak [strength isNot weak]"),
        ("queen wax above 3, age of queen above 3, queen", "queen wax [?] above 3, age of queen above [queenAge above] 3, queen"),
        # operators by their names
        ("colony strength anyOf weak", "colony strength [strength] anyOf [anyOf] weak [weak]"),
        ("colony strength any of weak", "colony strength [strength] any of [anyOf] weak [weak]"),
    ],
)  # fmt: skip
def test_behind_a_value_whose_field_is_left_out_stands_its_whole_condition(said, shown):
    assert linked(re.sub(r" \[.*?\]", "", said), HIVES) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        # of words that name no field something is said as of one
        ("wax under 3, weak", "wax [?] under 3, weak [strength is weak]"),
        ("weak, wax is 3", "weak [strength is weak], wax [?] is 3"),
        ('weak then scent starts with "a"', 'weak [strength is weak] then [step] scent [?] starts with "a"'),
        ("weak, last visit after 3 march 2024", "weak [strength is weak], last visit [?] after 3 march 2024"),
        ("colour is red and weak", "colour [?] is red and weak [strength is weak]"),
        ("colour is not the red, weak", "colour [?] is not the red, weak [strength is weak]"),
        ("queen age above 3 and wax above 4", "queen age [queenAge] above [above] 3 and wax [?] above 4"),
        # but not of what asks, of a part of a field's name, of what the schema lists, or where nothing is said
        ("what is treated, which are above 3", "what is treated [treated is true], which are above 3"),
        ("age of queen above 3, weak", "age of queen above [queenAge above] 3, weak [strength is weak]"),
        ("weak is 3", "weak [strength is weak] is 3"),
        ("ones that are weak, it is above 3", "ones that are weak [strength is weak], it is above [queenAge above] 3"),
        ("weak, wax above", "weak [strength is weak], wax above"),
        ('weak, "wax above 3"', 'weak [strength is weak], "wax above 3"'),
        ("hives at least 3, weak", "hives [?] at least 3, weak [strength is weak]"),
        # of a field that takes listed values another is said
        ("colony strength is huge", "colony strength [strength] is [is] [?] huge"),
        ("colony strength is not the best, weak", "colony strength [strength] is not [isNot] the best, weak [weak]"),
        ("wood is not pine then weak", "wood [wood] is not [isNot] [?] pine then [step] weak [strength is weak]"),
        ("colony strength is, above 3", "colony strength [strength] is [is], above 3"),
        ("colony strength is 3", "colony strength [strength] is [is] 3"),
    ],
)
def test_what_no_field_or_none_of_its_values_is_called_has_a_mark(said, shown):
    assert linked(said, HIVES) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("queen age: 3", "queen age [queenAge]: 3"),  # which is never equal to anything
        ("colony strength weak", "colony strength [strength is] weak [weak]"),
        ('colony strength "weak"', 'colony strength [strength] "weak"'),
        ("colony strength: weak or old", "colony strength [strength anyOf]: weak [weak] or old [old]"),
        ("above 3 queen age", "above [queenAge above] 3 queen age"),
        ("above 3 queen age above 4", "above [queenAge above] 3 queen age [queenAge] above [above] 4"),
        ("weak colony strength old", "weak [weak] colony strength [strength is] old [old]"),
        ("weak colony strength is old", "weak [weak] colony strength [strength] is [is] old [old]"),
        ("is not weak colony strength", "is not [strength isNot] weak [weak] colony strength"),
        ("queen age weak colony strength", "queen age [queenAge] weak [weak] colony strength [strength]"),
    ],
)
def test_a_condition_said_in_another_order_has_field_and_operator_before_its_value(said, shown):
    assert linked(said, HIVES) == shown


CELLAR = answer_schema(
    [
        SchemaField("kind", "enum", {"in": "anyOf", "not_in": "noneOf"}, ("wine kind",), ("red", "white", "port"),
                    operator_hints={"in": "anyOf", "or": "anyOf"}),
        SchemaField("bottleSize", "enum", {"not_equals": "isNot"}, ("bottle size",), ("magnum", "half")),
        SchemaField("price", "number", {"equals": "eq", "at_most": "upTo", "between": "within"}, ("bottle price",),
                    operator_hints={"is": "eq", "from": "within"}),
        SchemaField("years", "integer", {"greater": "over", "at_least": "min"}, ("years of age",)),
        SchemaField("estate", "text", {"equals": "eq", "contains": "has"}, ("estate name",)),
        SchemaField("saleDate", "date", {"before": "until", "on": "day"}, ("sale date",), operator_hints={"on": "day"}),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        # one value of a field that takes lists, or is never said to be one value
        ("red bottles", "red [kind anyOf red] bottles"),
        ("bottles in red", "bottles in red [kind anyOf red]"),
        ("a red wine kind", "a red [kind anyOf red] wine kind"),
        ("the red or port wine kind", "the red [kind anyOf red] or port [port] wine kind"),
        ("magnum ones", "[bottleSize] [?] magnum [magnum] ones"),
        ("no magnum, is not half", "no magnum [bottleSize isNot magnum], is not half [bottleSize isNot half]"),
        # an exception with words between
        ("not in red", "not in red [kind noneOf red]"),
        ("not made by port", "not made by port [kind noneOf port]"),
        ("wines not put up in the red", "wines [?] not put up in the red [kind anyOf red]"),
        ("wines not locked up in the red", "wines not locked up in the red [kind noneOf red]"),
        # a number before its field, and a limit behind
        ("with 3 years of age", "with [years] [?] 3 years of age"),
        ("half at a bottle price", "[bottleSize] [?] half [half] at a bottle price [price]"),
        ("for 20 bottle price", "for [price eq] 20 bottle price"),
        ("over 3 years of age, 4 years of age or more", "over [years over] 3 years of age, [years min] 4 years of age or more"),
        ("bottle price 20 at most", "bottle price [price upTo] 20 at most"),
        ("bottle price is 20 at most", "bottle price [price] is [eq] 20 at most [upTo]"),
        ("a price of 20", "a price [price eq] of 20"),
        ("bottle price from 3 to 20", "bottle price [price] from [within] 3 to 20"),
        ("bottle price 3 up 20 between", "bottle price [price] 3 up 20 between [within]"),
        ("bottle price from 3", "bottle price [price] from [?] 3"),
        ("red of 20", "red [kind anyOf red] of 20"),
        ("red between 3 and 20 euros", "red [kind anyOf red], between [price within] 3 and 20 euros"),
        # an operator behind a word of the name of one of the fields that have it
        ("estate containing \"clos\"", "estate [estate] containing [has] \"clos\""),
        ("its bottle between 3 and 20", "its bottle between [price within] 3 and 20"),
        ('its bottle is "a"', 'its bottle [?] is "a"'),
        ("red from 3", "red [kind anyOf red] from 3"),
        # an operator of the next field, behind a condition that has its value
        ('estate "x" at least 3 years of age', 'estate [estate eq] "x" at least [years min] 3 years of age'),
        ('estate "x" at least 3 and years of age over 4',
         'estate [estate eq] "x" at least 3 and years of age [years] over [over] 4'),
        ('at least "x" years of age', 'at least "x" years of age [years]'),
        ("from at most 3 bottle price", "from at most [price upTo] 3 bottle price"),
        ("20 bottle price: 30", "20 bottle price [price eq]: 30"),
        ("bottle price from 3 to 20 at most", "bottle price [price] from [within] 3 to 20 at most [upTo]"),
        ("4 years of age with 5 or more", "4 years of age [years] with 5 or more [min]"),
        ("bottle price 20 at most from 3 to 4", "bottle price [price] 20 at most [upTo] from [within] 3 to 4"),
        ("years min 3 years of age", "years [years] min [min] 3 years of age"),
        ("wines under 3 years of age", "wines under [years] [?] 3 years of age"),
        ("bottle price wax above 3", "bottle price [price] wax above [?] 3"),
        ("bottle price over 3 years of age", "bottle price [price] over [?] 3 years of age [years]"),
        # what was done before or on a day, which is no name
        ("sold before 3 may 2024", "sold before [saleDate until] 3 may 2024 [2024-05-03]"),
        ("port bought on 3 may 2024", "port [kind anyOf port], bought on [saleDate day] 3 may 2024 [2024-05-03]"),
        ("the reserved before 3 may 2024", "the reserved [?] before 3 may 2024 [2024-05-03]"),
        ("sold out before 3 may 2024, carted out before 3 may 2024",
         "sold out [?] before 3 may 2024 [2024-05-03], carted out before [saleDate until] 3 may 2024 [2024-05-03]"),
        # or of which a number is said
        ("aged at most 3, port costing above 3", "aged at most 3, port [kind anyOf port] costing above 3"),
        ("years over 3 years of age", "years [years] over [over] 3 years of age"),
        ("bottle above 3, a price between 3 and 4", "bottle [?] above 3, a price [price] between [within] 3 and 4"),
        ("an age between 3 and 4", "an age [years] between [?] 3 and 4"),
        # "of" has no part in a name
        ("bottles of at least 3", "bottles of at least 3"),
    ],
)  # fmt: skip
def test_what_people_leave_out_is_told_where_one_field_alone_can_be_meant(said, shown):
    assert with_links(CELLAR, said, date(2024, 6, 12)) == shown


def test_a_number_of_a_field_whose_operators_nobody_knows_stays_before_it():
    assert (
        linked("3 eggs", minify(answer_schema([SchemaField("eggs", "integer", {"equals": "zorp"})]))) == "3 eggs [eggs]"
    )


def test_of_two_words_that_a_plural_may_be_of_it_is_that_of_the_nearer():
    treatment = SchemaField("treatment", "enum", {"equals": "is"}, (), ("vaccine",), {"vaccin": "vaccine"})
    assert linked("vaccines", minify(answer_schema([treatment]))) == "vaccines [treatment is vaccine]"


def test_what_a_schema_lists_for_an_operator_goes_before_what_people_say_for_it_anyway():
    numbers = SchemaField("age", "integer", {"greater": "gt", "at_least": "gte"}, operator_hints={"over": "gte"})
    assert linked("age over 3, above 4", minify(answer_schema([numbers]))) == "age [age] over [gte] 3, above [gt] 4"


def test_a_word_that_people_say_for_an_operator_is_no_typing_mistake_of_another():
    numbers = SchemaField("\u00e2ge", "integer", {"less": "lt"}, operator_hints={"en dessous de": "lt"})
    schema = minify(answer_schema([numbers]))
    assert linked("\u00e2ge au-dessus de 3", schema) == "\u00e2ge [\u00e2ge] au-dessus de [?] 3"
    assert linked("\u00e2ge en desous de 3", schema) == "\u00e2ge [\u00e2ge] en desous de [lt] 3"


def test_no_text_or_operator_stands_for_its_field_where_two_fields_have_it():
    texts = [SchemaField(name, "text", {"equals": "is", "contains": "has"}) for name in ("title", "note")]
    assert linked('all by "x", containing "x"', minify(answer_schema(texts))) == 'all by "x", containing "x"'


def test_only_what_is_true_has_an_opposite_and_only_a_schema_of_steps_has_another_step():
    truths = [SchemaField("novice", "boolean", {"equals": "is"}, (), (), {"beginner": "true", "expert": "false"})]
    said = "non-beginner, unexpert, unnovice, after that"
    shown = "non-beginner [novice is false], unexpert, unnovice [novice is false], after that"
    assert linked(said, minify(answer_schema(truths))) == shown
    assert linked(said, minify(answer_schema(truths, ["puis"]))) == f"{shown} [step]"


def test_a_condition_whose_operators_are_no_texts_is_none_of_the_shipped_form():
    schema = json.loads(HIVES)
    branches = schema["anyOf"][0]["properties"]["steps"]["items"]["properties"]["conditions"]["items"]["anyOf"]
    branches[0]["properties"]["operator"] = {"enum": [1, None]}
    assert linked("weak above 3", minify(schema)) == "weak [strength anyOf weak], above [queenAge above] 3"


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (
            "title: flat viewing, start 10:00, end at 11:30",
            "event_title: flat viewing; start_time: 10:00; end_time: 11:30",
        ),
        ("private yes, the recipient is a@b.co", "recipientEmail: a@b.co; is_private: yes [true]"),
        # the schema's own title, a part that two names have, one that belongs to another name, or of which nothing is
        # said
        ("event: x, time 10:00", "event_title: x; start_time: 10:00"),
        ("event title x, mail recipient: 3", "event_title: x, mail recipient: 3"),
        ("event title x, recipient", "event_title: x, recipient"),
        ("private no, is 3", "event_title: is 3; is_private: no [false]"),
    ],
)
def test_a_property_is_named_by_a_word_that_it_alone_has(said, named):
    clock = {"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$"}
    properties = {"event_title": {"type": "string"}, "start_time": clock, "end_time": clock}
    properties |= {"recipientEmail": {"type": "string", "format": "email"}, "is_private": {"type": "boolean"}}
    schema = {"title": "event", "type": "object", "properties": properties, "required": ["event_title"]}
    line = with_links(with_refusal(schema | {"additionalProperties": False}), said, date(2024, 3, 17)).partition(
        "Named: "
    )[2]
    assert line.partition("; ?:")[0] == named


def test_a_language_may_say_nothing_for_operators_and_have_any_sign_in_its_words(monkeypatch):
    silent = {kind: [] for kind in reading.said_around()}
    languages = [silent | {"at": ["c++"], "operators": {}}, silent | {"operators": {"between": ["amid"]}}]
    monkeypatch.setattr(reading, "_languages", lambda: languages)
    monkeypatch.setattr(reading, "said_around", reading.said_around.__wrapped__)
    said = reading.said_for_operators.__wrapped__()
    assert (said["between"], said["not_equals"]) == (("amid",), ())
    assert re.fullmatch(reading.any_of.__wrapped__("at", "is"), "c++")


def test_an_accent_too_many_makes_another_word():
    spec = SchemaField(
        "hue", "enum", {"in": "any"}, ("teinte", "pays d'achat"), ("x", "y"), {}, {"ou": "any", "\u00e0": "any"}
    )
    schema = minify(answer_schema([spec]))
    assert linked("o\u00f9 teinte ou b", schema) == "o\u00f9 teinte [hue] ou [any] [?] b"
    assert linked("teinte A b", schema) == "teinte [hue] A [any] [?] b"
    assert linked("PAYS D\u2019ACHAT", schema) == "PAYS D\u2019ACHAT [hue]"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("silver or bronze", "silver [tier anyOf silver] or bronze [bronze]"),
        ("gold, silver or bronze", "gold [tier anyOf gold], silver [silver] or bronze [bronze]"),
        ("tier is silver or bronze", "tier [tier] is [is] silver [silver] or bronze [bronze]"),
        # but a value of its own
        ("argent ou or, bronze", "argent [tier anyOf silver] ou or [gold], bronze [bronze]"),
        ("tier or silver", "tier [tier anyOf] or [gold] silver [silver]"),
        ("silver or tier", "silver [tier anyOf silver] or [gold] tier"),
        ("silver gold bronze", "silver [tier anyOf silver] gold [gold] bronze [bronze]"),
    ],
)
def test_a_word_that_joins_values_is_none_of_them(said, shown):
    hints = {"or": "gold", "argent": "silver"}
    tier = SchemaField("tier", "enum", {"equals": "is", "in": "anyOf"}, ("tier",), ("gold", "silver", "bronze"), hints)
    assert linked(said, minify(answer_schema([tier]))) == shown


def test_words_that_differ_in_an_accent_keep_their_spellings_apart():
    spec = SchemaField(
        "mark", "enum", {"equals": "is"}, (), ("RATED", "COAST"), {"cote": "RATED", "c\u00f4te": "COAST"}
    )
    schema = minify(answer_schema([spec]))
    assert linked("cote, c\u00f4te", schema) == "[mark] [?] cote [RATED], c\u00f4te [COAST]"


@pytest.mark.parametrize(
    ("listed", "said", "is_read"),
    [
        ("vendu", "vendues", True),
        ("vendue", "vendus", True),
        ("r\u00e9gional", "r\u00e9gionaux", True),
        ("actif", "actives", True),
        ("sportive", "sportif", True),
        ("boxes", "box", False),  # three letters in common are too few
        ("penalty", "penalties", True),
        ("shelf", "shelves", True),
        ("half full", "halves full", False),
        ("vent", "venter", False),
        ("vente", "vents", True),
        ("mer", "m\u00e8re", False),
        ("lots", "lot", False),
    ],
)
def test_another_form_of_a_listed_word_is_read_as_it(listed, said, is_read):
    schema = minify(answer_schema([SchemaField("state", "enum", {"equals": "is"}, (), ("X", "Y"), {listed: "X"})]))
    shown = f"{said} [X]" if is_read else f"[?] {said}"
    assert linked(f"state is {said}", schema) == f"state [state] is [is] {shown}"


def test_where_two_words_of_the_schema_are_as_near_neither_is_read():
    specs = [
        SchemaField("a", "text", {"equals": "eq"}, ("marina",)),
        SchemaField("b", "text", {"equals": "eq"}, ("marine",)),
    ]
    assert linked("marino, marinaa", minify(answer_schema(specs))) == "marino, marinaa [a]"


def test_what_says_a_time_span_is_no_phrase_of_the_schema():
    schema = answer_schema([SchemaField("due", "date", {"on": "on"}, operator_hints={"from": "on", "on": "on"})])
    request = with_links(schema, "due on 3 march 2024 from 1 may 2024 on", date(2024, 5, 17))
    assert request == "due [due] on [on] 3 march 2024 [2024-03-03] from 1 may 2024 on [2024-05-01 2024-05-17]"


def wholes_of(condition):
    """What stands behind a value whose field is left out, of a list behind its first, or behind such an operator."""
    value = condition["value"][0] if isinstance(condition["value"], list) else condition["value"]
    operator = f"{condition['field']} {condition['operator']}"
    return {operator, f"{operator} {value if isinstance(value, str) else minify(value)}"}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_field_that_the_embedded_teacher_asks_for_is_linked_and_no_field_that_is_missing(schema_rows, language):
    teacher = EmbeddedTeacher(dataset_options(refusal_share=0.3, typo_share=0.0, near_miss_share=0.0))
    programs = refusals = 0
    for row in schema_rows:
        known = [entry["name"] for entry in row["fields"]]
        absent = [entry["words"][language] for entry in row["absent_fields"]]
        for query in teacher.write_queries(row, language, "2024-03-17", 6, "links"):
            request = with_links(row["schema"], query.text, date(2024, 3, 17))
            shown = re.findall(r"\[([^]]*)\]", request)
            if "refusal" in query.expected:
                refusals += query.expected["refusal"]["reason"] == "unknown field"
                assert not [words for words in absent for name in known if f"{words} [{name}]" in request], request
                continue
            programs += 1
            conditions = [c for step in query.expected["steps"] for c in step["conditions"]]
            for condition in conditions:
                assert condition["field"] in shown or wholes_of(condition) & {*shown}, request
    assert programs > 100
    assert refusals > 10


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_operator_that_is_said_as_its_schema_lists_it_is_linked(language):
    teacher = EmbeddedTeacher(dataset_options(refusal_share=0.0, typo_share=0.0, phrasings=2))
    said = 0
    for row in make_schemas(20, 5, operator_phrases=2):
        for query in teacher.write_queries(row, language, "2024-03-17", 6, "links"):
            shown = re.findall(r"\[([^]]*)\]", with_links(row["schema"], query.text, date(2024, 3, 17)))
            for condition in (c for step in query.expected.get("steps", []) for c in step["conditions"]):
                said += 1
                assert condition["operator"] in shown or wholes_of(condition) & {*shown}, (query.text, shown)
    assert said > 100


@given(
    st.text(alphabet=' abcis"[]\u201c\u201d\u00ab\u00bb\u00e9\u2019then-', max_size=30),
    st.randoms(use_true_random=False),
)
def test_links_are_all_that_changes_in_a_request(noise, rng: random.Random):
    words = ["salary", "salray", "is", "contracts", "cdd", "remotte work", "then", noise]
    request = " ".join(rng.choice(words) for _ in range(6))
    shown, at = linked(request, SCHEMA), 0
    for part in re.split(
        r" \[(?:jobTitle(?: eq)?|pay|contract(?: oneOf)?|eq|is|min|(?:contract (?:oneOf|neq) )?FIXED_TERM|remote is true|step|\?)\]",
        shown,
    ):
        part = part if request.startswith(part, at) else part.removeprefix(",")
        assert request.startswith(part, at)
        at += len(part)
    assert at == len(request)


def test_of_a_schema_of_your_own_names_and_values_are_linked_but_for_those_of_its_refusal():
    schema = with_refusal(
        {
            "type": "object",
            "properties": {
                "dueDate": {"type": "string"},
                "orderStatus": {
                    "enum": ["in_progress", "done", 3],
                    "description": "under way: in_progress, lost: gone",
                },
                "size": {"enum": ["s", "m"]},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
            },
            "$defs": {"line": {"properties": {"unit-price": {}, "due_date": {}}}},
        }
    )
    said = "order status in progress, under way, lost, unit price 3, size m, due date today, due_date, the reason"
    shown = "order status [orderStatus] in progress [in_progress], under way [in_progress], lost, unit price [unit-price] 3, size [size] m, due date today, due_date [due_date], the reason"
    assert linked(said, minify(schema)) == shown
    odd = answer_schema(
        [SchemaField("paid", "boolean", {"equals": "is"}), SchemaField("sum", "enum", {"in": "in"}, (), ("a",))]
    )
    branches = odd["anyOf"][0]["properties"]["steps"]["items"]["properties"]["conditions"]["items"]["anyOf"]
    branches[0]["properties"]["operator"] = {"const": "is"}
    branches[1]["properties"]["value"]["items"] = True
    assert linked("paid sum", minify(odd)) == "paid sum [sum]"
    branches[1]["properties"]["value"] = True
    assert linked("order field", minify(odd)) == "order field [field]"
    verbs = minify({"properties": {"to_be": {}, "to": {}}})
    assert linked("to be 3, set to 4, to 5", verbs) == "to be [to_be] 3, set to 4, to [to] 5"
    assert linked("x", "true") == "x"
    assert linked("x", "{}") == "x"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("online no, require digit: OUI", "online [online] no [false], require digit [require_digit]: OUI [true]"),
        ("online is set to non", "online [online] is set to non"),  # three words between them are too many
        ("online set to non (online = yes)", "online [online] set to non [false] (online [online] = yes [true])"),
        ("title yes, size oui", "title [title] yes, size [size] oui"),  # not true or false wherever it stands
        ("online, no online \"no\" online nothing", "online [online], no online [online] \"no\" online [online] nothing"),
        ("line is no [no] online true", "line is no [no] online [online] true"),
    ],
)  # fmt: skip
def test_yes_and_no_behind_a_property_that_is_true_or_false_have_json_s_word_behind_them(said, shown):
    truth = {"type": "boolean"}
    schema = {
        "properties": {"online": truth, "require_digit": truth, "title": {"type": "string"}, "size": truth},
        "$defs": {"box": {"properties": {"size": {"type": "number"}}}},
    }
    assert linked(said, minify(schema)) == shown
    assert linked("online no", minify({"properties": {"online": truth, "no": {}}})) == "online [online] no [no]"
