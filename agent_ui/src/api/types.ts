/**
 * The shapes that the server sends and takes, by the names of service_desk/domain/views.py.
 *
 * Every import of a server shape goes through this file. schema.d.ts is generated from openapi.json, and that from
 * the server: `make types` writes both anew, and a test fails when they no longer fit. Instants are whole
 * microseconds since 1970-01-01 UTC.
 */
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];

/** The number of the shapes below; a server with another number makes us ask for a reload. */
export const LIVE_SCHEMA = 1;

export type Micros = number;
export type Fact = OfferView["because"][string];

// The console's state and what changes it.
export type SnapshotView = Schemas["SnapshotView"];
export type FrameView = Schemas["FrameView"];
export type PutView = Schemas["PutView"];
export type DropView = Schemas["DropView"];
export type EventView = Schemas["EventView"];

export type MeView = Schemas["MeView"];
export type AgentStateView = Schemas["AgentStateView"];
export type OfferView = Schemas["OfferView"];
export type InteractionView = Schemas["InteractionView"];
export type CallView = Schemas["CallView"];
export type EntryView = Schemas["EntryView"];
export type AuthorView = Schemas["AuthorView"];
export type MailView = Schemas["MailView"];
export type MailAddressView = Schemas["MailAddressView"];
export type AttachmentView = Schemas["AttachmentView"];
export type DraftView = Schemas["DraftView"];
export type CardView = Schemas["CardView"];
export type CardTotals = Schemas["CardTotals"];
export type CustomerView = Schemas["CustomerView"];
export type IdentityView = Schemas["IdentityView"];
export type TicketView = Schemas["TicketView"];
export type TimelineView = Schemas["TimelineView"];

// Pages, sign-in and names.
export type EntriesPageView = Schemas["EntriesPageView"];
export type TimelinePageView = Schemas["TimelinePageView"];
export type TicketPageView = Schemas["TicketPageView"];
export type SessionView = Schemas["SessionView"];
export type BootstrapView = Schemas["BootstrapView"];
export type NamedView = Schemas["NamedView"];
export type QueueView = Schemas["QueueView"];
export type SoftphoneTokenView = Schemas["SoftphoneTokenView"];

// The wallboard.
export type BoardView = Schemas["BoardView"];
export type QueueBoardView = Schemas["QueueBoardView"];
export type AgentBoardView = Schemas["AgentBoardView"];

// The customer's chat.
export type ChatView = Schemas["ChatView"];
export type ChatEntryView = Schemas["ChatEntryView"];
export type ChatStatusView = Schemas["ChatStatusView"];

// What requests carry.
export type NewTicket = Schemas["NewTicket"];
export type TicketChange = Schemas["TicketChange"];
export type CustomerChange = Schemas["CustomerChange"];
export type NewMessage = Schemas["NewMessage"];
export type NewMail = Schemas["NewMail"];
export type DraftBody = Schemas["DraftBody"];
export type NewDraft = Schemas["NewDraft"];

// Ticket, customer and identity pages, and search.
export type AddressView = Schemas["AddressView"];
export type CandidateView = Schemas["CandidateView"];
export type CandidatesView = Schemas["CandidatesView"];
export type MatchView = Schemas["MatchView"];
export type TicketLineView = Schemas["TicketLineView"];
export type TicketListView = Schemas["TicketListView"];
export type StoryItemView = Schemas["StoryItemView"];
export type StoryPageView = Schemas["StoryPageView"];
export type FieldChangeView = Schemas["FieldChangeView"];
export type SearchView = Schemas["SearchView"];
export type SearchGroupView = Schemas["SearchGroupView"];
export type SearchHitView = Schemas["SearchHitView"];
export type HitRange = Schemas["HitRange"];
export type NewAddress = Schemas["NewAddress"];
export type WhoseContact = Schemas["WhoseContact"];

// A supervisor's screens.
export type TrendView = Schemas["TrendView"];
export type AlertView = Schemas["AlertView"];
export type AlertsView = Schemas["AlertsView"];
export type AlertsNowView = Schemas["AlertsNowView"];
export type FloorView = Schemas["FloorView"];
export type LiveContactView = Schemas["LiveContactView"];
export type CountedContactView = Schemas["CountedContactView"];
export type CountedPageView = Schemas["CountedPageView"];
export type IntervalsView = Schemas["IntervalsView"];
export type IntervalView = Schemas["IntervalView"];
export type AgentForcedView = Schemas["AgentForcedView"];
