import type { ServerResponse } from 'node:http'

/**
 * Ends an answer in the middle, and so that its client can see that it is not whole. In HTTP/1.0, which a front may speak by
 * default, the end of a connection is that of an answer: there it is reset. Not by TLS, of which the end has to be announced.
 */
export function cutOff(response: ServerResponse): void {
  const { req, socket } = response
  const canBeReset = socket?.remoteAddress !== undefined && !('encrypted' in socket)
  if (req.httpVersion === '1.0' && canBeReset) socket.resetAndDestroy()
  else response.destroy()
}
