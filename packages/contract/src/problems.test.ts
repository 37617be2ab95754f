import { expect, it } from 'vitest'
import { Problem, PROBLEMS, problemDocument, problemHeaders } from './problems.ts'

it('every problem document carries its code, its status and the request id', () => {
  for (const code of Object.keys(PROBLEMS) as (keyof typeof PROBLEMS)[]) {
    const document = problemDocument(new Problem(code), 'req-1')
    expect(document).toMatchObject({ code, status: PROBLEMS[code].status, request_id: 'req-1' })
    expect(document.title).toMatch(/\.$/)
  }
})

it('what caused a problem never reaches its document', () => {
  const problem = new Problem('internal', { cause: new Error('/srv/secret password=hunter2') })
  expect(JSON.stringify(problemDocument(problem, 'r'))).not.toContain('hunter2')
})

it('a problem is never stored, says when to come back, and challenges only for credentials', () => {
  expect(problemHeaders(new Problem('instance_busy', { retryAfter: 1.2 }))).toEqual({
    'Cache-Control': 'no-store',
    'Retry-After': '2',
  })
  expect(problemHeaders(new Problem('unauthenticated'))).toEqual({
    'Cache-Control': 'no-store',
    'WWW-Authenticate': 'Basic realm="mux", charset="UTF-8"',
  })
})

it('a problem has its own name, so that code can tell it from any other error', () => {
  expect(new Problem('misdirected').name).toBe('Problem')
})
