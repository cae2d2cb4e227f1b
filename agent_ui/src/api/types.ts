/**
 * The shapes that the server sends and takes; the same names as in service_desk/domain/views.py.
 *
 * Every import of a server shape goes through this file. Instants are whole microseconds since 1970-01-01 UTC.
 */

/** The number of the shapes below; a server with another number makes us ask for a reload. */
export const LIVE_SCHEMA = 1;

export type Micros = number;

export interface AgentStateView {
  chosen: "ready" | "away";
  /** Key of a reason in the configuration; only when away. */
  reason: string | null;
  since: Micros;
}

export interface MeView {
  id: string;
  name: string;
  login: string;
  role: "agent" | "supervisor" | "admin";
  permissions: string[];
  language: string;
  queues: string[];
  skills: Record<string, number>;
  capacity: Record<string, number>;
  state: AgentStateView;
  version: number;
}

export type Fact = string | number | boolean | null;

export interface OfferView {
  id: string;
  interaction_id: string;
  made_at: Micros;
  deadline: Micros;
  attempt: number;
  because: Record<string, Fact>;
}

export interface CallView {
  customer_leg: string;
  agent_leg: string | null;
  in_conference: boolean;
}

export interface InteractionView {
  id: string;
  channel: "phone" | "web_chat";
  direction: "inbound" | "outbound";
  state: "menu" | "queued" | "offered" | "connecting" | "active" | "wrap_up" | "ended";
  queue_id: string | null;
  customer_id: string | null;
  /** The contact point as shown; null if withheld. */
  caller: string | null;
  /** What to call it in a list: the customer's name, else the caller, else a phrase. */
  title: string;
  topic: string | null;
  agent_id: string | null;
  priority: number;
  created_at: Micros;
  queued_at: Micros | null;
  answered_at: Micros | null;
  connected_at: Micros | null;
  ended_at: Micros | null;
  wrap_up_until: Micros | null;
  ended_by: "customer" | "agent" | "system" | null;
  end_reason: string | null;
  disposition: string | null;
  ticket_ids: string[];
  call: CallView | null;
  /** Web chat only: whether the visitor's page is connected. */
  visitor_online: boolean | null;
  /** Start of the newest message, for the work list. */
  last_entry: string | null;
  last_entry_at: Micros | null;
  version: number;
}

export interface AuthorView {
  kind: "customer" | "agent" | "system";
  id: string | null;
  name: string;
}

export interface EntryView {
  id: string;
  interaction_id: string;
  /** Order within the interaction, from 1. */
  seq: number;
  kind: "message" | "note" | "system";
  author: AuthorView;
  /** For system lines a stable code such as `call.connected`; else what was written. */
  text: string;
  at: Micros;
  status: "sent" | "delivered" | "failed" | null;
  /** The sender's own key, to match an optimistic line. */
  key: string | null;
}

export interface IdentityView {
  id: string;
  kind: "phone" | "mailbox" | "chat";
  value: string;
  display: string;
  proof: "verified" | "claimed" | "imported" | "seen";
  proved_at: Micros | null;
}

export interface CustomerView {
  id: string;
  /** Null for somebody known only by a contact point. */
  name: string | null;
  display_name: string;
  company: string | null;
  tier: "standard" | "silver" | "gold";
  language: string | null;
  time_zone: string | null;
  remark: string;
  created_at: Micros;
  version: number;
}

export interface TicketView {
  id: string;
  number: number;
  subject: string;
  status: "open" | "pending" | "solved" | "closed";
  priority: "low" | "normal" | "high" | "urgent";
  queue_id: string | null;
  customer_id: string | null;
  assignee_id: string | null;
  assignee_name: string | null;
  created_at: Micros;
  updated_at: Micros;
  closed_at: Micros | null;
  interaction_ids: string[];
  version: number;
}

export interface TimelineView {
  id: string;
  kind: "interaction" | "ticket" | "note";
  at: Micros;
  channel: string | null;
  state: string;
  title: string;
  detail: string;
  agent_name: string | null;
  queue_id: string | null;
  ticket_number: number | null;
  duration_s: number | null;
}

export interface CardTotals {
  interactions: number;
  tickets: number;
  open_tickets: number;
  contacts_last_7_days: number;
  first_contact_at: Micros | null;
}

/** The customer's record as pushed with an offer; keyed by the customer's id. */
export interface CardView {
  as_of: number;
  customer: CustomerView;
  identities: IdentityView[];
  /** All open ones (at most 50), then the newest others, 50 in all. */
  tickets: TicketView[];
  /** The newest 50, newest first. */
  timeline: TimelineView[];
  /** Cursor for older timeline entries. */
  more: string | null;
  totals: CardTotals;
  /** Short phrases that say who this is, most telling first. */
  highlights: string[];
}

/** All that an agent's console holds. Keys of the maps are ids. */
export interface SnapshotView {
  position: number;
  me: Record<string, MeView>;
  offers: Record<string, OfferView>;
  interactions: Record<string, InteractionView>;
  entries: Record<string, EntryView>;
  cards: Record<string, CardView>;
}

/** What happened, as in the log: for sounds, notices and traces, not needed to keep the state right. */
export interface EventView {
  position: number;
  at: Micros;
  kind: string;
  subject: string;
  actor: string;
  data: Record<string, Fact>;
}

export interface PutView {
  me?: Record<string, MeView>;
  offers?: Record<string, OfferView>;
  interactions?: Record<string, InteractionView>;
  entries?: Record<string, EntryView>;
  cards?: Record<string, CardView>;
}

export interface DropView {
  offers?: string[];
  interactions?: string[];
}

/** A step from a position at or after `prev` to `position`. */
export interface FrameView {
  prev: number;
  position: number;
  events: EventView[];
  put: PutView;
  drop: DropView;
}

export interface QueueBoardView {
  id: string;
  name: string;
  waiting: number;
  oldest_at: Micros | null;
  expected_wait_s: number | null;
  active: number;
  agents_ready: number;
  agents_busy: number;
  offered_today: number;
  answered_today: number;
  abandoned_today: number;
  answered_in_target_today: number;
  target_s: number;
}

export interface AgentBoardView {
  id: string;
  name: string;
  status: "ready" | "offered" | "busy" | "wrap_up" | "away" | "lost" | "signed_out";
  reason: string | null;
  since: Micros;
  interactions: number;
}

/** The wallboard: a projection, at most a second old; ages tick from `at`. */
export interface BoardView {
  at: Micros;
  position: number;
  queues: QueueBoardView[];
  agents: AgentBoardView[];
}

export interface NamedView {
  id: string;
  name: string;
}

export interface QueueView {
  id: string;
  name: string;
  brand_id: string;
  wrap_up_s: number;
}

/** What a console needs once: names from the configuration. */
export interface BootstrapView {
  live_schema: number;
  server_time: Micros;
  brand: string;
  queues: QueueView[];
  away_reasons: NamedView[];
  decline_reasons: NamedView[];
  dispositions: NamedView[];
  agents: NamedView[];
  softphone: "simulator" | "twilio" | "none";
}

export interface SessionView {
  me: MeView;
  csrf: string;
  bootstrap: BootstrapView;
  expires_at: Micros;
}

/** How the agent's browser phone calls in; `dial_url` only for the simulator. */
export interface SoftphoneTokenView {
  kind: "simulator" | "twilio";
  token: string;
  expires_at: Micros;
  dial_url: string | null;
}

export interface TimelinePageView {
  items: TimelineView[];
  more: string | null;
}

export interface EntriesPageView {
  items: EntryView[];
  more: string | null;
}

/** A ticket with its notes and the contacts linked to it. */
export interface TicketPageView {
  ticket: TicketView;
  description: string;
  notes: EntryView[];
  interactions: TimelineView[];
}
