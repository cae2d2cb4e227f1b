/** The server's operations, by name. Every POST takes the key of the user's act (see `newAct`). */
import { Client } from "./client.ts";
import { upload, type Upload } from "./upload.ts";
import type {
  AttachmentView,
  BoardView,
  CardView,
  CustomerChange,
  CustomerView,
  DraftView,
  EntriesPageView,
  EntryView,
  InteractionView,
  MeView,
  NewDraft,
  NewMail,
  NewMessage,
  NewTicket,
  SessionView,
  SoftphoneTokenView,
  TicketChange,
  TicketPageView,
  TicketView,
  TimelinePageView,
} from "./types.ts";

export { newAct } from "./client.ts";
export type { CustomerChange, NewTicket, TicketChange } from "./types.ts";

export type ChosenState = { state: "ready" } | { state: "away"; reason: string };

export type Api = ReturnType<typeof createApi>;

export function createApi(client: Client) {
  const at = (strings: TemplateStringsArray, ...ids: string[]): string =>
    `/api/v1/${String.raw({ raw: strings }, ...ids.map(encodeURIComponent))}`;
  const get = <A>(path: string) => client.send<A>({ method: "GET", path });
  const post = <A>(path: string, act: string, body: unknown = {}) =>
    client.send<A>({ method: "POST", path, body, act });

  return {
    client,
    signIn: (login: string, password: string) =>
      client.send<SessionView>({ method: "POST", path: at`session`, body: { login, password } }),
    session: () => get<SessionView>(at`session`),
    signOut: () => client.send<undefined>({ method: "DELETE", path: at`session` }),
    chooseState: (chosen: ChosenState, version: number) =>
      client.send<MeView>({ method: "PUT", path: at`me/state`, body: chosen, version }),

    acceptOffer: (id: string, act: string) => post<InteractionView>(at`offers/${id}/accept`, act),
    declineOffer: (id: string, reason: string, act: string) =>
      post<undefined>(at`offers/${id}/decline`, act, { reason }),

    interaction: (id: string) => get<InteractionView>(at`interactions/${id}`),
    /** Newest first page without a cursor, older ones with the cursor of the page before. */
    entries: (id: string, before: string | null) =>
      get<EntriesPageView>(at`interactions/${id}/entries` + since(before)),
    /** All of one entry, where pages and frames have only its beginning. */
    entry: (id: string) => get<EntryView>(at`entries/${id}`),
    /** One try only: the outbox decides when to try again. */
    sendMessage: (id: string, text: string, key: string) =>
      client.once<EntryView>({ method: "POST", path: at`interactions/${id}/messages`, body: { text }, act: key }),
    /** One try only, as above. */
    addNote: (id: string, text: string, key: string) =>
      client.once<EntryView>({ method: "POST", path: at`interactions/${id}/notes`, body: { text }, act: key }),
    sendText: (id: string, text: NewMessage, act: string) => post<EntryView>(at`interactions/${id}/messages`, act, text),
    sendMail: (id: string, mail: NewMail, act: string) => post<EntryView>(at`interactions/${id}/mails`, act, mail),
    retryMessage: (id: string, entryId: string, act: string) =>
      post<EntryView>(at`interactions/${id}/entries/${entryId}/retry`, act),
    park: (id: string, act: string) => post<InteractionView>(at`interactions/${id}/park`, act),
    resume: (id: string, act: string) => post<InteractionView>(at`interactions/${id}/resume`, act),
    /** Version 0: nothing is typed. */
    draft: (id: string) => get<DraftView>(at`interactions/${id}/draft`),
    /** One try only: the newest typing is kept next time. `body.version`: of the draft that it goes on from. `last`: the page is going away. */
    keepDraft: (id: string, body: NewDraft, act: string, last = false) =>
      client.once<DraftView>({ method: "POST", path: at`interactions/${id}/draft`, body, act, keepalive: last }),
    discardDraft: (id: string, version: number) =>
      client.send<undefined>({ method: "DELETE", path: at`interactions/${id}/draft`, version }),
    upload: (id: string, file: File, act: string, onProgress: (share: number) => void): Upload<AttachmentView> =>
      upload(client, at`interactions/${id}/attachments` + `?name=${encodeURIComponent(file.name)}`, file, act, onProgress),
    discardFile: (id: string, attachmentId: string) =>
      client.send<undefined>({ method: "DELETE", path: at`interactions/${id}/attachments/${attachmentId}` }),
    end: (id: string, act: string) => post<InteractionView>(at`interactions/${id}/end`, act),
    finishWrapUp: (id: string, act: string, disposition: string, comment?: string) =>
      post<InteractionView>(at`interactions/${id}/wrap-up`, act, {
        disposition,
        ...(comment === undefined ? {} : { comment }),
      }),

    createTicket: (ticket: NewTicket, act: string) => post<TicketView>(at`tickets`, act, ticket),
    ticket: (id: string) => get<TicketPageView>(at`tickets/${id}`),
    changeTicket: (id: string, change: TicketChange, version: number) =>
      client.send<TicketView>({ method: "PATCH", path: at`tickets/${id}`, body: change, version }),
    addTicketNote: (id: string, text: string, act: string) =>
      post<EntryView>(at`tickets/${id}/notes`, act, { text }),
    linkTicket: (id: string, interactionId: string, act: string) =>
      post<TicketView>(at`tickets/${id}/interactions`, act, { interaction_id: interactionId }),

    customer: (id: string) => get<CardView>(at`customers/${id}`),
    changeCustomer: (id: string, change: CustomerChange, version: number) =>
      client.send<CustomerView>({ method: "PATCH", path: at`customers/${id}`, body: change, version }),
    timeline: (id: string, before: string) =>
      get<TimelinePageView>(at`customers/${id}/timeline` + since(before)),

    board: () => get<BoardView>(at`board`),
    softphoneToken: (act: string) => post<SoftphoneTokenView>(at`softphone/token`, act),
  };
}

/** Where a file of a message is downloaded from. */
export const fileUrl = (id: string): string => `/api/v1/attachments/${encodeURIComponent(id)}`;

/** Where a mail's rich text comes from, for a frame without rights. */
export const frameUrl = (entryId: string, images: boolean): string =>
  `/api/v1/entries/${encodeURIComponent(entryId)}/html${images ? "?images=yes" : ""}`;

function since(cursor: string | null): string {
  return cursor === null ? "" : `?before=${encodeURIComponent(cursor)}`;
}

export const client = new Client();
export const api: Api = createApi(client);
