/**
 * How high a mail's frame is drawn. A frame without rights cannot tell how long its content is, so that is reckoned from
 * its text; it scrolls where the reckoning is short.
 */

const LINE_CHARACTERS = 90;
const LINE_PX = 21;
const PICTURE_PX = 90;
const MARGINS_PX = 48;
const LEAST_PX = 120;
const FIRST_LEAST_PX = 240;
const FIRST_MOST_PX = 380;
/** A stranger's mail may be much longer than the plain text beside it, so that there is always more to unfold. */
const WHOLE_LEAST_PX = 640;
const WHOLE_MOST_PX = 1_600;

/** In pixels, at first and unfolded. `isOurs`: we made it from the text, so that the reckoning holds. */
export function frameHeight(text: string, pictures: number, isOurs: boolean): { first: number; whole: number } {
  const lines = text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / LINE_CHARACTERS)), 0);
  const reckoned = MARGINS_PX + lines * LINE_PX + Math.min(pictures, 6) * PICTURE_PX;
  const whole = Math.min(WHOLE_MOST_PX, Math.max(isOurs ? LEAST_PX : WHOLE_LEAST_PX, reckoned));
  const first = Math.max(isOurs ? LEAST_PX : FIRST_LEAST_PX, Math.min(FIRST_MOST_PX, reckoned));
  return { first, whole };
}
