/** The server's operations behind the pages. Every POST takes the key of the user's act (see `newAct`). */
import { api } from "@/api/index.ts";
import type {
  AddressView,
  CandidatesView,
  CardView,
  InteractionView,
  NewAddress,
  SearchGroupView,
  SearchView,
  StoryPageView,
  TicketListView,
  WhoseContact,
} from "@/api/types.ts";

export type Query = Readonly<Record<string, string | number | null | undefined>>;

function get<Answer>(path: string, query: Query = {}): Promise<Answer> {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const asked = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return api.client.send<Answer>({ method: "GET", path: `/api/v1/${path}${asked === "" ? "" : `?${asked}`}` });
}

const at = (strings: TemplateStringsArray, ...ids: string[]): string =>
  String.raw({ raw: strings }, ...ids.map(encodeURIComponent));

export const pagesApi = {
  tickets: (query: Query) => get<TicketListView>("tickets", query),
  story: (ticketId: string, before: string | null) => get<StoryPageView>(at`tickets/${ticketId}/story`, { before }),
  search: (q: string) => get<SearchView>("search", { q }),
  /** The next page of one kind of hits. */
  searchMore: (q: string, kind: SearchGroupView["kind"], cursor: string | null) =>
    get<SearchView>("search", { q, kind, cursor }),
  address: (address: string, customerId: string | null) =>
    get<AddressView>("addresses", { address, customer_id: customerId }),
  candidates: (interactionId: string) => get<CandidatesView>(at`interactions/${interactionId}/candidates`),
  setCustomer: (interactionId: string, whose: WhoseContact, act: string) =>
    api.client.send<InteractionView>({
      method: "POST",
      path: `/api/v1/${at`interactions/${interactionId}/customer`}`,
      body: whose,
      act,
    }),
  link: (customerId: string, address: NewAddress, act: string) =>
    api.client.send<CardView>({ method: "POST", path: `/api/v1/${at`customers/${customerId}/identities`}`, body: address, act }),
  unlink: (customerId: string, identityId: string) =>
    api.client.send<CardView>({ method: "DELETE", path: `/api/v1/${at`customers/${customerId}/identities/${identityId}`}` }),
};
