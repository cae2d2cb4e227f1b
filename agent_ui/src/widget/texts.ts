/** All words of the widget, per language. A language is complete or does not compile. */
import type { ChatStatus } from "./protocol.ts";

export interface Texts {
  readonly openChat: string;
  readonly closeChat: string;
  readonly unread: (count: number) => string;
  readonly greeting: string;
  readonly here: string;
  readonly answersIn: (wait: string) => string;
  readonly nobodyHere: string;
  readonly looking: string;
  readonly next: string;
  readonly place: (position: number) => string;
  readonly about: (wait: string) => string;
  readonly underAMinute: string;
  readonly minutes: (count: number) => string;
  readonly hours: (count: number) => string;
  readonly withYou: (name: string) => string;
  readonly colleague: string;
  readonly over: string;
  readonly savedAs: (ticket: number) => string;
  readonly saved: string;
  readonly offlineTitle: string;
  readonly offlineNext: string;
  readonly offlineKeep: string;
  readonly startNew: string;
  readonly end: string;
  readonly endQuestion: string;
  readonly endYes: string;
  readonly endNo: string;
  readonly ending: string;
  readonly lost: string;
  readonly retry: string;
  readonly unavailable: string;
  readonly outdated: string;
  readonly message: string;
  readonly send: string;
  readonly details: string;
  readonly name: string;
  readonly mailbox: string;
  readonly mailboxWhy: string;
  readonly mailboxWrong: string;
  readonly optional: string;
  readonly topic: string;
  readonly conversation: string;
  readonly you: string;
  readonly notSentYet: string;
  readonly sending: string;
  readonly newMessages: string;
  readonly left: (count: number) => string;
  readonly tooMany: (count: number) => string;
  readonly refused: string;
  readonly refusedEnded: string;
  readonly refusedTooLarge: string;
  readonly textKept: string;
}

const en: Texts = {
  openChat: "Open chat",
  closeChat: "Close chat",
  unread: (count) => (count === 1 ? "1 new message" : `${count} new messages`),
  greeting: "Hello! How can we help you?",
  here: "We are here for you",
  answersIn: (wait) => `We usually answer in ${wait}`,
  nobodyHere: "Nobody is here right now. Leave us a message.",
  looking: "Finding somebody for you…",
  next: "You are next in line",
  place: (position) => `You are number ${position} in line`,
  about: (wait) => `about ${wait}`,
  underAMinute: "a minute",
  minutes: (count) => `${count} minutes`,
  hours: (count) => (count === 1 ? "1 hour" : `${count} hours`),
  withYou: (name) => `${name} is here for you`,
  colleague: "A colleague",
  over: "This conversation has ended",
  savedAs: (ticket) => `Saved as ticket ${ticket}`,
  saved: "Your message is saved",
  offlineTitle: "Thank you, we have your message",
  offlineNext: "Nobody is free right now. We read it as soon as we are back and answer by e-mail if you gave us your address.",
  offlineKeep: "Please name this number when you write or call again:",
  startNew: "Start a new conversation",
  end: "End",
  endQuestion: "End this conversation?",
  endYes: "End conversation",
  endNo: "Keep chatting",
  ending: "Ending…",
  lost: "Connection lost. Keep writing: it is sent as soon as we are connected again.",
  retry: "Try now",
  unavailable: "The chat is not available on this page.",
  outdated: "The chat has been renewed. Please reload this page.",
  message: "Write a message",
  send: "Send",
  details: "About you",
  name: "Name",
  mailbox: "E-mail",
  mailboxWhy: "So that we can answer if you leave",
  mailboxWrong: "This does not look like an e-mail address.",
  optional: "optional",
  topic: "What is it about?",
  conversation: "Conversation",
  you: "You",
  notSentYet: "Not sent yet",
  sending: "Sending…",
  newMessages: "New messages",
  left: (count) => (count === 1 ? "1 character left" : `${count} characters left`),
  tooMany: (count) => (count === 1 ? "1 character too many" : `${count} characters too many`),
  refused: "This message was not accepted.",
  refusedEnded: "The conversation had ended before this message arrived. Send it again to start a new one.",
  refusedTooLarge: "This message is too long to be sent. Please send it in parts.",
  textKept: "Your text is still here.",
};

const de: Texts = {
  openChat: "Chat öffnen",
  closeChat: "Chat schließen",
  unread: (count) => (count === 1 ? "1 neue Nachricht" : `${count} neue Nachrichten`),
  greeting: "Guten Tag! Wie können wir Ihnen helfen?",
  here: "Wir sind für Sie da",
  answersIn: (wait) => `Antwort meist in ${wait}`,
  nobodyHere: "Gerade ist niemand da. Hinterlassen Sie uns eine Nachricht.",
  looking: "Wir suchen jemanden für Sie …",
  next: "Sie sind als Nächstes dran",
  place: (position) => `Sie sind an Stelle ${position}`,
  about: (wait) => `etwa ${wait}`,
  underAMinute: "einer Minute",
  minutes: (count) => `${count} Minuten`,
  hours: (count) => (count === 1 ? "1 Stunde" : `${count} Stunden`),
  withYou: (name) => `${name} ist für Sie da`,
  colleague: "Jemand aus unserem Team",
  over: "Dieses Gespräch ist beendet",
  savedAs: (ticket) => `Gespeichert als Vorgang ${ticket}`,
  saved: "Ihre Nachricht ist gespeichert",
  offlineTitle: "Danke, Ihre Nachricht ist bei uns",
  offlineNext:
    "Gerade ist niemand frei. Wir lesen sie, sobald wir zurück sind, und antworten per E-Mail, wenn Sie uns Ihre Adresse gegeben haben.",
  offlineKeep: "Nennen Sie bitte diese Nummer, wenn Sie wieder schreiben oder anrufen:",
  startNew: "Neues Gespräch beginnen",
  end: "Beenden",
  endQuestion: "Dieses Gespräch beenden?",
  endYes: "Gespräch beenden",
  endNo: "Weiter chatten",
  ending: "Wird beendet …",
  lost: "Verbindung unterbrochen. Schreiben Sie ruhig weiter: Es wird gesendet, sobald die Verbindung wieder steht.",
  retry: "Jetzt versuchen",
  unavailable: "Der Chat ist auf dieser Seite nicht verfügbar.",
  outdated: "Der Chat wurde erneuert. Bitte laden Sie diese Seite neu.",
  message: "Nachricht schreiben",
  send: "Senden",
  details: "Über Sie",
  name: "Name",
  mailbox: "E-Mail",
  mailboxWhy: "Damit wir antworten können, wenn Sie gehen",
  mailboxWrong: "Das sieht nicht wie eine E-Mail-Adresse aus.",
  optional: "freiwillig",
  topic: "Worum geht es?",
  conversation: "Gespräch",
  you: "Sie",
  notSentYet: "Noch nicht gesendet",
  sending: "Wird gesendet …",
  newMessages: "Neue Nachrichten",
  left: (count) => `noch ${count} Zeichen`,
  tooMany: (count) => `${count} Zeichen zu viel`,
  refused: "Diese Nachricht wurde nicht angenommen.",
  refusedEnded: "Das Gespräch war beendet, bevor diese Nachricht ankam. Senden Sie sie noch einmal, um ein neues zu beginnen.",
  refusedTooLarge: "Diese Nachricht ist zu lang. Bitte senden Sie sie in Teilen.",
  textKept: "Ihr Text ist noch da.",
};

const es: Texts = {
  openChat: "Abrir el chat",
  closeChat: "Cerrar el chat",
  unread: (count) => (count === 1 ? "1 mensaje nuevo" : `${count} mensajes nuevos`),
  greeting: "¡Hola! ¿En qué podemos ayudarle?",
  here: "Estamos aquí para ayudarle",
  answersIn: (wait) => `Solemos responder en ${wait}`,
  nobodyHere: "Ahora no hay nadie. Déjenos un mensaje.",
  looking: "Buscamos a alguien para usted…",
  next: "Es la siguiente persona en la cola",
  place: (position) => `Está en el puesto ${position} de la cola`,
  about: (wait) => `unos ${wait}`,
  underAMinute: "un minuto",
  minutes: (count) => `${count} minutos`,
  hours: (count) => (count === 1 ? "1 hora" : `${count} horas`),
  withYou: (name) => `Le atiende ${name}`,
  colleague: "nuestro equipo",
  over: "Esta conversación ha terminado",
  savedAs: (ticket) => `Guardado con el número ${ticket}`,
  saved: "Su mensaje está guardado",
  offlineTitle: "Gracias, tenemos su mensaje",
  offlineNext:
    "Ahora no hay nadie disponible. Lo leeremos en cuanto volvamos y responderemos por correo si nos dio su dirección.",
  offlineKeep: "Indique este número cuando vuelva a escribir o llamar:",
  startNew: "Empezar otra conversación",
  end: "Terminar",
  endQuestion: "¿Terminar esta conversación?",
  endYes: "Terminar conversación",
  endNo: "Seguir chateando",
  ending: "Terminando…",
  lost: "Sin conexión. Siga escribiendo: se enviará en cuanto haya conexión.",
  retry: "Reintentar",
  unavailable: "El chat no está disponible en esta página.",
  outdated: "El chat se ha renovado. Vuelva a cargar esta página.",
  message: "Escriba un mensaje",
  send: "Enviar",
  details: "Sobre usted",
  name: "Nombre",
  mailbox: "Correo electrónico",
  mailboxWhy: "Para poder responderle si se va",
  mailboxWrong: "Esto no parece una dirección de correo.",
  optional: "opcional",
  topic: "¿De qué se trata?",
  conversation: "Conversación",
  you: "Usted",
  notSentYet: "Sin enviar",
  sending: "Enviando…",
  newMessages: "Mensajes nuevos",
  left: (count) => (count === 1 ? "queda 1 carácter" : `quedan ${count} caracteres`),
  tooMany: (count) => (count === 1 ? "sobra 1 carácter" : `sobran ${count} caracteres`),
  refused: "Este mensaje no fue aceptado.",
  refusedEnded: "La conversación terminó antes de que llegara este mensaje. Envíelo otra vez para empezar una nueva.",
  refusedTooLarge: "Este mensaje es demasiado largo. Envíelo por partes.",
  textKept: "Su texto sigue aquí.",
};

export const CATALOGUE = { en, de, es } as const;
export type Language = keyof typeof CATALOGUE;

/** The first language, in the order of wishes, that the widget speaks and its configuration allows; else English. */
export function pickLanguage(wishes: readonly string[], allowed: readonly string[]): Language {
  const spoken = Object.keys(CATALOGUE) as Language[];
  const usable = spoken.filter((one) => allowed.length === 0 || allowed.some((other) => primary(other) === one));
  for (const wish of wishes) {
    const found = usable.find((one) => one === primary(wish));
    if (found !== undefined) return found;
  }
  return usable[0] ?? "en";
}

/** A wait in words, rounded up: a promise that is kept early pleases, one that is broken does not. */
export function waitInWords(texts: Texts, seconds: number): string {
  if (seconds <= 60) return texts.underAMinute;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? texts.minutes(minutes) : texts.hours(Math.ceil(minutes / 60));
}

/** One sentence about where the conversation stands. */
export function statusInWords(texts: Texts, status: ChatStatus, before: { staffed: boolean; wait: number | null }): string {
  switch (status.state) {
    case "new":
      if (!before.staffed) return texts.nobodyHere;
      return before.wait === null ? texts.here : texts.answersIn(waitInWords(texts, before.wait));
    case "waiting":
      return waitingInWords(texts, status);
    case "active":
      return texts.withYou(status.agent_name ?? texts.colleague);
    case "ended":
      return texts.over;
    case "offline":
      return status.ticket_number === null ? texts.saved : texts.savedAs(status.ticket_number);
  }
}

function waitingInWords(texts: Texts, status: ChatStatus): string {
  if (status.position === null) return texts.looking;
  const place = status.position <= 1 ? texts.next : texts.place(status.position);
  if (status.expected_wait_s === null) return place;
  return `${place} · ${texts.about(waitInWords(texts, status.expected_wait_s))}`;
}

function primary(tag: string): string {
  return tag.toLowerCase().split("-")[0] ?? "";
}
