import { isNavigation, Problem, problemDocument, problemHeaders, RecordError } from '@mux/contract'
import type { Context } from 'hono'
import type { Exchange } from './forward.ts'
import type { Log } from './log-event.ts'
import { errorPage } from './pages/error.ts'
import { PAGE_HEADERS } from './pages/page.ts'
import { startingPage } from './pages/starting.ts'
import { RegistryError } from './registry/registry.ts'
import { MethodNotAllowed } from './request-check.ts'

/** What the chain works on: Hono carries the exchange where it carries a runtime's bindings. */
export interface EdgeEnv {
  Bindings: { exchange: Exchange }
}

/** Seconds after which a registry that cannot be read is worth another try. */
const REGISTRY_RETRY = 5

/**
 * Answers with what was thrown on the way: a problem document (RFC 9457), or a page for a person's browser. The one
 * place that does; what is not a `Problem` is told to the log and not to the client.
 */
export function answerError(error: unknown, c: Context<EdgeEnv>, log: Log): Response | Promise<Response> {
  const { exchange } = c.env
  const { requestId } = exchange
  const problem = asProblem(error)
  if (problem !== error || problem.code === 'internal') {
    log({ event: 'request_failed', code: problem.code, request_id: requestId, error })
  }
  const headers = { ...ownHeaders(problem), 'X-Request-Id': requestId }
  if (!isNavigation(exchange.method, (name) => exchange.header(name))) {
    return problemResponse(problem, requestId, headers)
  }
  const page = problem.code === 'instance_starting' ? startingPage(problem) : errorPage(problem, requestId)
  return c.html(page, { status: problem.status as never, headers: { ...headers, ...PAGE_HEADERS } })
}

/** The answer to a problem of a request that never got as far as the chain. */
export function problemResponse(
  problem: Problem,
  requestId: string,
  headers: Record<string, string> = { ...ownHeaders(problem), 'X-Request-Id': requestId },
): Response {
  return new Response(JSON.stringify(problemDocument(problem, requestId)), {
    status: problem.status,
    headers: { ...headers, 'Content-Type': 'application/problem+json', 'X-Content-Type-Options': 'nosniff' },
  })
}

function ownHeaders(problem: Problem): Record<string, string> {
  return {
    ...problemHeaders(problem),
    ...(problem instanceof MethodNotAllowed ? { Allow: problem.allow } : {}),
  }
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof RecordError || error instanceof RegistryError)
    return new Problem('registry_unavailable', { retryAfter: REGISTRY_RETRY, cause: error })
  return new Problem('internal', { cause: error })
}
