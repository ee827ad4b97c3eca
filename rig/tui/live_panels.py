"""What the live screen shows, and when: pictures at every redraw, bars at every other, words at every fourth."""

from textual.screen import Screen

from rig.tui.alert_lines import alerts, first_alerts
from rig.tui.depth_picture import ArenaPicture, crop_levels, draw_mouse, draw_trail, fit_window
from rig.tui.foot import KeyWords, keys
from rig.tui.headline import headline_big, headline_small
from rig.tui.lines import Line, fit
from rig.tui.log_lines import log_strip
from rig.tui.session_view import SessionView
from rig.tui.side_panel import side
from rig.tui.source import Source
from rig.tui.syllable_panel import syllables
from rig.tui.widgets import LinesPanel, PicturePanel

STALE_MS = 1000


class LivePanels:
    """Fills the panels of a screen from a view."""

    def __init__(self, screen: Screen[str], view: SessionView, source: Source, keys: KeyWords) -> None:
        self.view = view
        self._key_words = keys
        self.source = source
        self.head = screen.query_one("#head", LinesPanel)
        self.arena = screen.query_one("#arena", PicturePanel)
        self.crop = screen.query_one("#crop", PicturePanel)
        self.side = screen.query_one("#side", LinesPanel)
        self.syllables = screen.query_one("#syllables", LinesPanel)
        self.alerts = screen.query_one("#alerts", LinesPanel)
        self.log = screen.query_one("#log", LinesPanel)
        self.keys = screen.query_one("#keys", LinesPanel)
        self.alerts_shown: list[int] = []
        self.aside = ""
        self._picture: ArenaPicture | None = None
        self._picture_of: tuple[int, ...] = ()
        self._arena_of = (-1, -1)
        self._crop_of = -1

    def draw(self, tick: int, now_ns: int) -> None:
        """Draw what is due at this tick, in turns so that no tick does everything."""
        self._draw_arena(now_ns)
        self._draw_crop(now_ns)
        if tick % 2 == 0:
            self.syllables.show(syllables(self.view, self.syllables.size.width, self.syllables.size.height))
        if tick % 4 == 1:
            self.draw_head()
            self.keys.show([keys(self.keys.size.width, self._key_words, self.aside or self.source.words())])
        elif tick % 4 == 3:
            size = self.side.size
            self.side.show(side(self.view, size.width, size.height, now_ns, self.source.lost))
            self.draw_alerts(now_ns)
            self.log.show(log_strip(self.view, self.log.size.width, self.log.size.height))

    def draw_head(self) -> None:
        """Draw state, block clock and counts at once."""
        size = self.head.size
        note = "; ".join(words for words in (self.view.stop.words, self.view.ended) if words)
        if size.height >= 5:
            self.head.show(headline_big(self.view, size.width, note, 2 if size.height >= 7 else 1))
        else:
            self.head.show(headline_small(self.view, size.width, note))

    def draw_alerts(self, now_ns: int) -> None:
        """Draw the alerts, and remember which are seen."""
        size = self.alerts.size
        self.alerts_shown = [alert.number for alert in first_alerts(self.view.alerts, size.height)]
        self.alerts.show(alerts(self.view, size.width, size.height, now_ns))

    def _draw_arena(self, now_ns: int) -> None:
        view = self.view
        if view.depth is None or view.frame is None:
            self.arena.label(_heading("arena", "no frame yet", self.arena.size.width), "", "")
            return
        silent_ms = view.silent_ms("Frame", now_ns) or 0.0
        aside = f"no frame {silent_ms / 1000:.0f} s" if silent_ms > STALE_MS else ""
        self.arena.label(_heading("arena", aside, self.arena.size.width), "0", f"{view.facts.max_height_mm:.0f} mm")
        drawn_of = (view.frame.frame_index, -1 if view.pose is None else view.pose.frame_index)
        if drawn_of == self._arena_of:
            return
        self._arena_of = drawn_of
        key = (*self.arena.room, *view.depth.shape)
        facts = view.facts
        if self._picture is None or key != self._picture_of:
            shape = (view.depth.shape[0], view.depth.shape[1])
            window = fit_window(*shape, facts.arena, *self.arena.room)
            self._picture = ArenaPicture(window, shape, facts.arena, facts.depth_unit_mm, facts.max_height_mm)
            self._picture_of = key
        levels = self._picture.levels(view.depth)
        draw_trail(levels, self._picture.window, view.trail)
        if view.pose is not None and not view.stale("Pose"):
            draw_mouse(levels, self._picture.window, view.pose, facts.min_height_mm, facts.max_height_mm)
        self.arena.show(levels)

    def _draw_crop(self, now_ns: int) -> None:
        view = self.view
        pose = view.pose
        aside = ""
        if view.stale("Pose"):
            aside = f"none for {(view.silent_ms('Pose', now_ns) or 0.0) / 1000:.0f} s"
        elif pose is not None and pose.missing:
            aside = "no mouse"
        elif pose is not None and pose.heading_probability is not None and pose.heading_probability < 0.9:
            aside = f"heading {pose.heading_probability:.2f}"
        self.crop.label(_heading("mouse", aside, self.crop.size.width), "0", f"{view.facts.max_height_mm:.0f} mm")
        if view.crop is None or pose is None or pose.frame_index == self._crop_of:
            return
        self._crop_of = pose.frame_index
        self.crop.show(crop_levels(view.crop, *self.crop.room, view.facts.max_height_mm))


def _heading(word: str, aside: str, width: int) -> Line:
    return ((f"{word} ", "title"), (fit(aside, max(0, width - len(word) - 1)), "warn"))
