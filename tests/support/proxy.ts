import { once } from 'node:events'
import net from 'node:net'

/** Stands between client and server, and records or cuts what the client sends. */
export async function startProxy(serverUrl: string) {
  const target = new URL(serverUrl)
  const messages: string[] = []
  let cutAt: RegExp | undefined
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(target.port), target.hostname)
    upstream.pipe(client)
    client.on('data', (data) => {
      messages.push(data.toString('latin1'))
      if (cutAt?.test(data.toString('latin1'))) client.destroy()
      else upstream.write(data)
    })
    client.on('close', () => upstream.destroy())
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(target)
  url.port = String((server.address() as net.AddressInfo).port)
  return {
    url: url.href,
    messages,
    cut: (pattern: RegExp) => void (cutAt = pattern),
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}
