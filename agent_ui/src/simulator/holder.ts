/** Who serves whom one plays, as the desk says it; see service_desk/web/simulator_desk.py. */

export interface Holder {
  readonly name: string;
  /** Played by a program. */
  readonly robot: boolean;
}

/** Who has this call or this customer's newest chat; null while nobody has, or when the desk cannot be asked. */
export async function fetchHolder(of: { readonly call: string } | { readonly customer: string }): Promise<Holder | null> {
  try {
    const answer = await fetch(`/simulator-desk/holder?${new URLSearchParams({ ...of }).toString()}`);
    if (!answer.ok) return null;
    return ((await answer.json()) as { holder: Holder | null }).holder;
  } catch {
    return null;
  }
}

/** "Hana Kim, a robot colleague". */
export function holderInWords({ name, robot }: Holder): string {
  return robot ? `${name}, a robot colleague` : `${name}, a person at a console`;
}
