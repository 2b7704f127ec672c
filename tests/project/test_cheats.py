"""The command of tests/cheats runs, and knows what each cheat must come to."""

import pytest

from tests.cheats import attacks
from tests.cheats.__main__ import Outcome, judged, main


def outcome(**changes):
  """Return what would come of a cheat that gained everything."""
  facts = dict(
    outcome='reached',
    reason='',
    charged=0.1,
    honest=1.0,
    spared=True,
    seen=1,
    doubts=[],
  )
  return Outcome(**facts | changes)


@pytest.mark.parametrize('name', attacks.ATTACKS)
def test_a_silent_gain_is_a_fault_of_ours(name):
  attack = attacks.ATTACKS[name]
  known = attack.expected == attacks.KNOWN  # docs/trust.md names these.
  assert bool(judged(attack, outcome())) is not known
  assert not judged(attack, outcome(outcome='crashed'))
  assert not judged(attack, outcome(doubts=['it stands out']))
  assert judged(attack, outcome(spared=False))


def test_what_is_expected_is_one_of_few():
  assert len(attacks.ATTACKS) >= 40
  expected = {attack.expected for attack in attacks.ATTACKS.values()}
  assert expected <= {
    attacks.CHARGED,
    attacks.ENDED,
    attacks.PREVENTED,
    attacks.FOUND,
    attacks.KNOWN,
  }


def test_one_cheat_is_run_beside_honest_entries(capsys):
  assert main(['thread']) == 0
  assert 'crashed: CompanyError' in capsys.readouterr().out
