import { closest, distance } from 'fastest-levenshtein'

/** The known word that was probably meant; undefined when nothing is near enough to be worth a guess. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  // Longer than any word of ours: comparing would cost more than the guess is worth.
  if (known.length === 0 || typed.length > 100) return undefined
  const best = closest(typed, known)
  return distance(typed, best) <= Math.max(1, Math.floor(best.length / 3)) ? best : undefined
}
