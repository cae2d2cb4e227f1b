import { describe, expect, it } from "vitest";
import type { EntryView, MailView } from "@/api/types.ts";
import { entry } from "@/live/fixtures/samples.ts";
import { addTo, hasOthers, isAddress, newcomersOf, recipientsOf, replySubject, splitAddresses } from "./addresses.ts";
import { frameHeight } from "./frame.ts";
import { cutQuote, quoteText } from "./quotes.ts";
import { isLink, paragraphs, parseRich, readRich } from "./rich.ts";

const OURS = ["help@desk.example"];
const box = (address: string, name = "") => ({ address, name });

function mail(change: Partial<MailView> = {}): MailView {
  return {
    sender: box("vera@example.org", "Vera"),
    to: [box("help@desk.example")],
    cc: [],
    reply_to: [],
    subject: "Oven",
    has_html: false,
    quoted: null,
    remote_images: 0,
    machine: "none",
    doubts: [],
    notes: [],
    ...change,
  };
}
const answer = (to: string[], cc: string[] = []): EntryView =>
  entry({
    id: "ent_ours",
    author: { kind: "agent", id: "agt_1", name: "Anna Berger" },
    mail: mail({ sender: null, to: to.map((one) => box(one)), cc: cc.map((one) => box(one)) }),
  });
const mails = (...list: MailView[]): EntryView[] => list.map((one, at) => entry({ id: `ent_${at}`, seq: at + 1, mail: one }));

describe("addresses", () => {
  it.each(["a@b.org", "first.last+tag@mail.example.co.uk", "o'neil@example.org", "grün@straße.example"])("takes %s", (typed) => {
    expect(isAddress(typed)).toBe(true);
  });

  it.each(["", "vera", "vera@", "@b.org", "a@b", "a b@c.org", "a@b..org", ".a@b.org", "a.@b.org", "a@b.org,c@d.org", `${"x".repeat(65)}@b.org`])(
    "does not take %j",
    (typed) => {
      expect(isAddress(typed)).toBe(false);
    },
  );

  it("finds them in pasted text, with names, and keeps what is none as it is", () => {
    expect(splitAddresses("a@b.org, Vera Sample <v@e.org>; c@d.org\nx@y.org z@y.org")).toEqual([
      "a@b.org",
      "v@e.org",
      "c@d.org",
      "x@y.org",
      "z@y.org",
    ]);
    expect(splitAddresses("the boss,,")).toEqual(["the boss"]);
  });

  it("has nobody twice", () => {
    expect(addTo(["a@b.org"], ["A@B.org", "c@d.org", "C@d.org"])).toEqual(["a@b.org", "c@d.org"]);
  });
});

describe("whom an answer goes to", () => {
  it("is the sender; where they want answers only if that is somebody of the conversation", () => {
    expect(recipientsOf(mails(mail()), OURS, false)).toEqual({ to: ["vera@example.org"], cc: [] });
    const elsewhere = mail({ reply_to: [box("Office@example.org")] });
    expect(recipientsOf(mails(mail(), elsewhere), OURS, true)).toEqual({ to: ["vera@example.org"], cc: [] });
    expect(newcomersOf(mails(mail(), elsewhere), OURS)).toEqual([{ address: "Office@example.org", wantsAnswers: true }]);
    const known = [...mails(mail()), answer(["office@example.org"]), ...mails(elsewhere)];
    expect(recipientsOf(known, OURS, false).to).toEqual(["Office@example.org"]);
    expect(newcomersOf(known, OURS)).toEqual([]);
  });

  it("is everybody else of the conversation but ourselves, with and without a tag", () => {
    const crowd = mail({
      to: [box("Help@Desk.example"), box("max@example.org")],
      cc: [box("help+t.1.2.3@desk.example"), box("VERA@example.org"), box("eva@example.org"), box("new@example.net")],
    });
    const entries = [answer(["vera@example.org", "max@example.org"], ["EVA@example.org"]), ...mails(crowd)];
    expect(recipientsOf(entries, OURS, true)).toEqual({ to: ["vera@example.org"], cc: ["max@example.org", "eva@example.org"] });
    expect(newcomersOf(entries, OURS)).toEqual([{ address: "new@example.net", wantsAnswers: false }]);
    expect([hasOthers(entries, OURS), hasOthers(mails(mail()), OURS)]).toEqual([true, false]);
  });

  it("is nobody whom only a stranger's mail names", () => {
    const forged = mail({ reply_to: [box("mallory@evil.example")], to: [box("m2@evil.example")], cc: [box("m3@evil.example")] });
    expect(recipientsOf(mails(forged), OURS, true)).toEqual({ to: ["vera@example.org"], cc: [] });
    expect(newcomersOf(mails(forged), OURS).map(({ address }) => address)).toEqual([
      "mallory@evil.example",
      "m2@evil.example",
      "m3@evil.example",
    ]);
    expect(recipientsOf(mails(mail({ ...forged, sender: null })), OURS, true)).toEqual({ to: [], cc: [] });
  });

  it("is a person rather than the program that wrote since", () => {
    const robot = mail({ sender: box("no-reply@example.org"), machine: "auto-reply" });
    expect(recipientsOf(mails(mail(), robot), OURS, true).to).toEqual(["vera@example.org"]);
    expect(recipientsOf(mails(robot), OURS, true).to).toEqual(["no-reply@example.org"]);
  });

  it("is nobody where nobody is named", () => {
    expect(recipientsOf(mails(mail({ sender: null })), OURS, true)).toEqual({ to: [], cc: [] });
    expect(recipientsOf([], OURS, true)).toEqual({ to: [], cc: [] });
  });

  it.each([
    ["Oven", "Re: Oven"],
    ["RE: Oven", "RE: Oven"],
    ["AW: Ofen", "AW: Ofen"],
    ["Re[2]: Oven", "Re[2]: Oven"],
    ["Regarding: Oven", "Re: Regarding: Oven"],
    ["", ""],
  ])("is about %j: %j", (subject, wanted) => {
    expect(replySubject(subject)).toBe(wanted);
  });
});

describe("quotations", () => {
  it("are put below an answer and found again there", () => {
    const below = quoteText("On Monday, Vera wrote:", "Cold.\n\n> older\nHelp!");
    expect(below).toBe("On Monday, Vera wrote:\n> Cold.\n>\n>> older\n> Help!");
    expect(cutQuote(`Hello\n\n${below}`)).toEqual({ words: "Hello", quoted: below });
  });

  it.each(["Hello", "> all quoted", "Wrote:\n> nothing else", "a > b\n> c\nafter"])("leaves %j whole", (text) => {
    expect(cutQuote(text)).toEqual({ words: text, quoted: "" });
  });
});

describe("rich text", () => {
  const read = (html: string) => {
    const holder = document.createElement("div");
    holder.append(parseRich(html, document));
    return readRich(holder);
  };

  it("becomes a few clean elements, and plain text beside them", () => {
    const { html, text } = read(
      '<div style="color:red" onclick="x()">Dear <strong class="a">Vera</strong>,</div><div><em>please</em><br>try:</div>' +
        "<ul><li>plug</li><li>fuse<ol><li>left</li></ol></li></ul><blockquote>Cold</blockquote>" +
        '<p><a href="https://example.org/m" onclick="x()">manual</a></p>',
    );
    expect(html).toBe(
      "<p>Dear <b>Vera</b>,</p><p><i>please</i><br>try:</p><ul><li>plug</li><li>fuse<ol><li>left</li></ol></li></ul>" +
        '<blockquote><p>Cold</p></blockquote><p><a href="https://example.org/m">manual</a></p>',
    );
    expect(text).toBe(
      "Dear Vera,\n\nplease\ntry:\n\n• plug\n• fuse\n  1. left\n\n> Cold\n\nmanual (https://example.org/m)",
    );
  });

  it("lets nothing through that runs, loads or leads astray", () => {
    const { html, text } = read(
      '<p>a<script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">b</a><style>p{}</style></p>' +
        "<!-- c --><object data=x></object><p><b>&lt;i&gt; &amp; &quot;</b></p>",
    );
    expect(html).toBe("<p>ab</p><p><b>&lt;i&gt; &amp; &quot;</b></p>");
    expect(text).toBe('ab\n\n<i> & "');
  });

  it("names a link's address once", () => {
    expect(read('<a href="https://example.org/a/">example.org/a</a> <a href="mailto:a@b.org">a@b.org</a> <a href="https://b.org">there</a>').text).toBe(
      "example.org/a a@b.org there (https://b.org)",
    );
  });

  it("is no rich text where nothing is formatted", () => {
    expect(read("<div>one</div><div>two<br>three</div>")).toEqual({ html: null, text: "one\n\ntwo\nthree" });
  });

  it("shows plain text as paragraphs and gives it back", () => {
    const holder = document.createElement("div");
    holder.append(paragraphs("one\ntwo\n\nthree <b>", document));
    expect(holder.querySelectorAll("p")).toHaveLength(2);
    expect(readRich(holder)).toEqual({ html: null, text: "one\ntwo\n\nthree <b>" });
  });

  it.each([
    ["https://example.org", true],
    ["mailto:a@b.org", true],
    ["javascript:alert(1)", false],
    ["//example.org", false],
    ["https://a b", false],
  ])("links to %s: %s", (address, wanted) => {
    expect(isLink(address)).toBe(wanted);
  });
});

it("reckons a frame's height between limits, and leaves a stranger's mail more to unfold", () => {
  expect(frameHeight("", 0, true)).toEqual({ first: 120, whole: 120 });
  expect(frameHeight("", 0, false)).toEqual({ first: 240, whole: 640 });
  expect(frameHeight("x\n".repeat(1_000), 3, false)).toEqual({ first: 380, whole: 1_600 });
  expect(frameHeight("x".repeat(900), 0, true).whole).toBeGreaterThan(frameHeight("x".repeat(300), 0, true).whole);
});
