// A terminal on a page: thin glue over xterm.js, which comes with it. Speaks to the application by methods, and by
// events of the element that it lives in: `typed`, `replied`, `sized` and `used`. Knows no terminal of the product.
import { FitAddon } from './{addon-fit.js}';
import { Terminal } from './{xterm.js}';

/** Colours of the terminal by the tokens of the page. */
const COLOURS = {
  background: '--sunken', foreground: '--text', cursor: '--accent', cursorAccent: '--sunken',
  selectionBackground: '--accent-line', selectionForeground: '--text', selectionInactiveBackground: '--line-strong',
  scrollbarSliderBackground: '--line-strong', scrollbarSliderHoverBackground: '--line-control',
  scrollbarSliderActiveBackground: '--text-3',
  black: '--line-strong', red: '--ansi-red', green: '--ansi-green', yellow: '--ansi-yellow', blue: '--ansi-blue',
  magenta: '--ansi-magenta', cyan: '--ansi-cyan', white: '--text-2',
  brightBlack: '--text-3', brightRed: '--ansi-red', brightGreen: '--ansi-green', brightYellow: '--ansi-yellow',
  brightBlue: '--ansi-blue', brightMagenta: '--ansi-magenta', brightCyan: '--ansi-cyan', brightWhite: '--text',
};

/** A word of this window, by which those of a browser know which of them was used last. */
const WINDOW = String(Math.random());

/** What the cursor keys say: their last letter. */
const ARROWS = { up: 'A', down: 'B', right: 'C', left: 'D' };

const styles = document.createElement('link');
styles.rel = 'stylesheet';
styles.href = new URL('./{xterm.css}', import.meta.url);
const styled = new Promise((done) => {
  // Without its styles it is ugly, and still better than none.
  styles.onload = styles.onerror = done;
});
document.head.append(styles);

/** Where terminals live that are not looked at: away from view, but measured like any other. */
const attic = document.createElement('div');
attic.className = 'term-attic';
attic.inert = true;
document.body.append(attic);

/** The tokens as they are in the theme of the moment: a token may hold a colour for each. */
function theme() {
  const probe = attic.appendChild(document.createElement('span'));
  const found = {};
  for (const [name, token] of Object.entries(COLOURS)) {
    probe.style.color = `var(${token})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

const all = new Set();
const repaint = () => {
  const colours = theme();
  for (const screen of all) screen.paint(colours);
};
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ['data-theme'] });

// Whichever window is left may go on with what this one was the last to use.
addEventListener('pagehide', () => {
  for (const screen of all) screen.yieldTurn();
});

// Some keyboards on the screen cover the page instead of making it smaller: what has to be seen then goes above them.
const seen = globalThis.visualViewport;
for (const kind of ['resize', 'scroll']) {
  seen?.addEventListener(kind, () => {
    const covered = innerHeight - seen.height - seen.offsetTop;
    document.documentElement.style.setProperty('--covered', `${covered}px`);
  });
}

/** Bytes of base64. Not every browser does it by itself yet. */
const decoded = Uint8Array.fromBase64?.bind(Uint8Array) ?? ((text) => {
  const letters = atob(text);
  const found = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) found[at] = letters.charCodeAt(at);
  return found;
});

/** Does something with what this browser keeps. Where that is forbidden, each window is by itself. */
const storage = (act) => {
  try {
    return act(localStorage);
  } catch {
    return WINDOW;
  }
};

/** The letter of a key; on a keyboard that writes other ones, that of its place. */
const letterOf = ({ key, code }) => (/^[a-z]$/i.test(key) ? key.toUpperCase() : /^Key([A-Z])$/.exec(code)?.[1]);

/** What is pasted is text: whatever else it holds could end the paste and go on as if it were typed. */
const pasteable = (text) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g, '');

class Screen {
  host = document.createElement('div');
  #fit = new FitAddon();
  /** So many pieces are being shown that are old. */
  #old = 0;
  /** What the terminal is about to say comes from somebody, and not from itself. */
  #byHand = false;
  #leave;
  #turn;
  #fixed;
  #readOnly;
  #term;
  #watch = new ResizeObserver(() => this.fit());

  constructor({ columns, rows, fontSize, label, hint, leave, turn, fixed, readOnly, reader }) {
    this.#leave = leave;
    this.#turn = turn;
    this.#fixed = fixed;
    this.#readOnly = readOnly;
    // What programs say is in no language of ours.
    this.host.className = 'term-host mono';
    this.host.lang = '';
    attic.append(this.host);
    this.#term = new Terminal({
      cols: columns, rows, fontSize, fontFamily: getComputedStyle(attic).fontFamily, theme: theme(),
      disableStdin: readOnly, cursorBlink: false, cursorInactiveStyle: readOnly ? 'none' : 'outline', lineHeight: 1.2,
      minimumContrastRatio: 4.5, scrollback: 10_000, screenReaderMode: reader, logLevel: 'off',
      linkHandler: {
        activate: (event, address) => {
          if (event.ctrlKey || event.metaKey) window.open(address, '_blank', 'noopener,noreferrer');
        },
        // Where it leads is to be seen before anybody goes there: its words may say anything.
        hover: (_, address) => (this.host.title = address),
        leave: () => this.host.removeAttribute('title'),
      },
    });
    this.#term.loadAddon(this.#fit);
    this.#term.attachCustomKeyEventHandler((event) => this.#isTyped(event));
    // Comes just before what somebody does, and not before a reply: nothing that is offered tells them apart.
    this.#term._core.coreService.onUserInput(() => (this.#byHand = true));
    this.#term.onData((text) => this.#said(text));
    this.#term.onResize(({ cols, rows }) => this.#tell('sized', `${cols} ${rows}`));
    this.host.addEventListener('paste', (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.paste(event.clipboardData.getData('text/plain'));
    }, true);
    // Before the library hears of it, which may have to tell a program.
    this.host.addEventListener('focus', () => this.#use(), true);
    this.#term.open(this.host);
    this.#term.textarea.setAttribute('aria-label', label);
    if (hint) this.#term.textarea.setAttribute('aria-describedby', hint);
    if (readOnly) this.#term.textarea.readOnly = true;
    all.add(this);
  }

  #tell(kind, detail) {
    this.host.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  /** Which window was used last. */
  #last() {
    return storage((kept) => kept.getItem(this.#turn));
  }

  /** Takes over from the other windows of this browser that have the same terminal. */
  #use() {
    if (this.#turn) storage((kept) => kept.setItem(this.#turn, WINDOW));
    this.#tell('used', '');
  }

  /** Takes in what somebody does, or what the terminal replies to its program. */
  #said(text) {
    const byHand = this.#byHand;
    this.#byHand = false;
    const last = this.#last();
    if (byHand) {
      // A wheel, for example, does not bring the focus.
      if (last !== WINDOW) this.#use();
      this.#tell('typed', text);
    } else if (this.#old === 0 && (last === WINDOW || last === null)) {
      // What is old was replied to when it was new, and every window would reply: only one may.
      this.#tell('replied', text);
    }
  }

  /** Whether a key is the terminal's: some are of the page, which would otherwise never have the focus again. */
  #isTyped(event) {
    const letter = letterOf(event);
    if (this.#readOnly && !(event.shiftKey && (letter || event.key.startsWith('Page')))) return false;
    if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey) return true;
    const act = {
      X: () => document.getElementById(this.#leave)?.focus(),
      C: () => this.#copy(),
    }[letter];
    if (act && event.type === 'keydown') {
      event.preventDefault();
      act();
    }
    // The browser itself pastes.
    return !act && letter !== 'V';
  }

  #copy() {
    // What is on the clipboard stays there.
    if (!this.#term.hasSelection()) return;
    // Without a safe connection there is no clipboard, and some refuse; the old way knows what is selected by itself.
    const oldWay = () => document.execCommand('copy');
    if (navigator.clipboard) navigator.clipboard.writeText(this.#term.getSelection()).catch(oldWay);
    else oldWay();
  }

  /** Puts it into an element, whose size it takes. */
  show(parent) {
    parent.append(this.host);
    if (this.#fixed) return;
    this.#watch.observe(this.host);
    this.fit();
  }

  /** Takes it out of view; it goes on. */
  hide() {
    this.#watch.disconnect();
    attic.append(this.host);
  }

  fit() {
    if (!this.#fixed && this.host.parentElement !== attic && this.host.clientHeight > 0) this.#fit.fit();
  }

  /** Takes a size, after all that was to be shown before it. */
  resize(columns, rows) {
    return new Promise((done) => {
      this.#term.write('', () => {
        this.#term.resize(columns, rows);
        done();
      });
    });
  }

  /** Shows bytes, in base64. Resolves once they were taken in. What is old is not replied to. */
  write(text, old) {
    if (old) this.#old += 1;
    return new Promise((done) => {
      this.#term.write(decoded(text), () => {
        if (old) this.#old -= 1;
        done();
      });
    });
  }

  /** A button is used beside the terminal, which may not have the focus. */
  #useBeside() {
    if (!this.host.contains(document.activeElement)) this.#use();
  }

  /** A key of which a small screen has none. */
  press(name, control) {
    this.#useBeside();
    const letter = ARROWS[name];
    const text = letter
      ? control ? `\u001b[1;5${letter}` : `\u001b${this.#term.modes.applicationCursorKeysMode ? 'O' : '['}${letter}`
      : { escape: '\u001b', tab: '\t' }[name];
    if (text) this.#term.input(text, true);
  }

  paste(text) {
    if (this.#readOnly) return;
    this.#useBeside();
    this.#term.paste(pasteable(text));
  }

  /** Pastes what is on the clipboard; false where the browser does not let us. */
  async pasteCopied() {
    try {
      this.paste(await navigator.clipboard.readText());
      return true;
    } catch {
      return false;
    }
  }

  /** Puts what is selected, or all, on the clipboard; false where the browser does not let us. */
  async copyAll() {
    try {
      await navigator.clipboard.writeText(this.text());
      return true;
    } catch {
      return false;
    }
  }

  /** What is selected; without a selection all that there is. */
  text() {
    if (this.#term.hasSelection()) return this.#term.getSelection();
    const { active } = this.#term.buffer;
    const lines = [];
    for (let at = 0; at < active.length; at += 1) {
      const line = active.getLine(at);
      // Spaces at the end of a line count where it goes on below.
      const text = line.translateToString(!active.getLine(at + 1)?.isWrapped);
      if (line.isWrapped) lines.push(lines.pop() + text);
      else lines.push(text);
    }
    return `${lines.join('\n').trimEnd()}\n`;
  }

  setFontSize(size) {
    this.#term.options.fontSize = size;
    this.fit();
  }

  setReader(on) {
    this.#term.options.screenReaderMode = on;
  }

  paint(colours) {
    this.#term.options.theme = colours;
  }

  focus() {
    this.#term.focus();
  }

  reset() {
    this.#term.reset();
  }

  /** Leaves it to the other windows. */
  yieldTurn() {
    if (this.#turn && this.#last() === WINDOW) storage((kept) => kept.removeItem(this.#turn));
  }

  dispose() {
    this.yieldTurn();
    this.#watch.disconnect();
    this.#term.dispose();
    this.host.remove();
    all.delete(this);
  }
}

globalThis.croniumTerminal = {
  /** Opens one out of view, once its looks are there. */
  async open(options) {
    await styled;
    Terminal.strings.promptLabel = options.label;
    return new Screen(options);
  },
};
