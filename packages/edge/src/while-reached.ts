import { OutOfTime, within } from './time-limit.ts'

/** Milliseconds in which a host may begin its answer before it is looked after, and from then on between two looks. */
export const FIRST_LOOK = 3_000
export const NEXT_LOOK = 60_000
/** Milliseconds in which something has to come of a connection to it; TCP asks three times in that (RFC 6298 section 2). */
export const SILENCE = 6_000

/**
 * The answer of a host, for as long as its machine can be reached. How far a request has come is not told, and an
 * application may take its time; but a machine that says nothing to a connection either, not even that it wants none, is one
 * that drops packets, and the kernel would wait two minutes for it. A front that is being replaced, and one that has too much
 * to do, are connected by their kernels.
 * @param limit milliseconds for the whole, less what is spent on looks
 * @param connect tries a connection, and settles with whatever it comes to
 * @throws {OutOfTime}
 */
export async function whileReached<Answer>(
  asked: Promise<Answer>,
  limit: number,
  connect: () => Promise<unknown>,
): Promise<Answer> {
  let patience = FIRST_LOOK
  for (let left = limit; left > 0; left -= patience, patience = Math.min(left, NEXT_LOOK)) {
    const answer = await unlessLate(patience, asked)
    if (answer !== LATE) return answer
    const anything = connect().catch(() => {})
    if ((await unlessLate(SILENCE, Promise.race([asked, anything]))) === LATE)
      throw new OutOfTime(`nothing came of a connection within ${SILENCE / 1000} s`)
  }
  throw new OutOfTime(`no answer within ${limit / 1000} s`)
}

const LATE = Symbol('late')

async function unlessLate<Outcome>(limit: number, begun: Promise<Outcome>): Promise<Outcome | typeof LATE> {
  try {
    return await within(limit, begun)
  } catch (error) {
    if (error instanceof OutOfTime) return LATE
    throw error
  }
}
