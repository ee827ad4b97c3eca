"""What each screen shows and what its signs mean, in plain words; keys are listed beside it by the program."""

SET_UP = """\
Name the animal and the files; what was entered last time stands there already. The right arrow takes the path that is
offered. Everything is checked as you type: ● good, ◌ being looked at, ▲ a warning, ✕ what keeps the session from
starting, with what to do about it. Start is locked until nothing is ✕.

The picture is what the camera sees now; its border is the arena's region of interest. A test pulse opens the board for
a moment, keeps the protocol's limits, and is noted in manual_pulses.jsonl in the data folder.
"""
STARTING = """\
Camera, board and decoder are being prepared. Nothing can pulse yet. The screen of the session opens by itself.
"""
CLOSING = """\
The session has ended, and its recording is being closed: what is done stands first, with what is being done below it.
A recorder that is behind may write for a minute or two; its frames are not lost. The summary follows by itself.

The stop key works until all has ended: where no process of the session answers any more, this program brings the lines
low over the board's port itself. Leaving does not disturb the closing; a new session on this rig has to wait for it.
"""
CONTROL = """\
! (or F12) brings every line low at once, also while something is being typed; the time from the key to the board's
confirmation is shown. Arm again with a. A stop at another screen is shown here, with its place; to arm after it asks
first.

Leaving the screen leaves the session running: `etholoop attach` comes back. Ending it asks first.

"""
SIGNS = """\
▲ pulse   △ catch trial (all but the pulse)   ✕ refused, with the reason in the log (l)

Rules: ○ waiting  ◐ dwell  ● in a bout  ◌ refractory, with the time left and what was drawn last  · off in this block

The bar is the probability of the rule's target; the strokes on it are the thresholds at which a bout ends and begins.

Syllables: ▸ is a target. The ribbon is the last 30 s; a dot is a frame without evidence.

Health: dropped by the camera; lost between processes; blind, frames without evidence; novelty, how strange the model
finds the last second (0 ... 1); heading, how sure nose and tail are told apart; board, whether it hears its heartbeat.

Counts beside a rule and at the top are of the whole session; those of blocks (✓ over, ▸ running) are of all rules
together.

Latency: from each stage to the next; the last line is the whole way from exposure to the line. Stages of every frame
are of the last 10 s, those of a pulse of the last 100 pulses. The small columns show their course: the largest value
of each moment, and of each pulse.

Alerts stay until they are acknowledged, the oldest first; where not all fit, x opens a list of them. What was
acknowledged and still holds stays, in another colour. Who has control has it recorded, with the place and the time, for
every screen of the session; who only looks acknowledges for this screen alone.
"""
ALERTS = """\
Every alert that nobody acknowledged, the oldest first. x acknowledges those that are shown here, and only those; the
next ones take their place.
"""
LOG = """\
What happened in the session, the newest first, with the session's time: ▲ pulses, △ catches, ✕ refusals with their
reason, ▸ starts of blocks, · notes, commands and what the programs say of themselves, ! alerts. The last thousand
trials are kept here, and the last thousand of all else; the session's record has everything.
"""
REPLAY = """\
A finished session, played again from its record; nothing can be changed.

"""
WATCH = """\
A running session, to look at only: no key here reaches it.

"""
SUMMARY = """\
At the left the numbers that matter, at the right the session in pictures: pulses and catches over time, the most used
syllables, and how long exposure to line took. Below, where the data are and what to do with them. ↑ and ↓ move numbers
that do not fit.
"""
BROWSE = """\
All sessions of the data folder, the newest first, and those that run now (●). ▲ in front of the ending: it failed.
"""
CARDS = """\
One syllable at a time: instances of it from labelled sessions in a loop, nose to the right; ● while the syllable
lasts. Name what you see: names are kept beside the model, never in it, and a name may be given to several
syllables. A running session keeps the names that its protocol was read with; the screen shows new ones at once.
"""
