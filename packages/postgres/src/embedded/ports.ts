import { once } from 'node:events'
import net from 'node:net'

/** Whether nothing listens on this port of 127.0.0.1. */
export async function isPortFree(port: number): Promise<boolean> {
  try {
    await listen(port)
    return true
  } catch {
    return false
  }
}

/** A port of 127.0.0.1 that is free now. */
export function findFreePort(): Promise<number> {
  return listen(0)
}

async function listen(port: number): Promise<number> {
  const server = net.createServer()
  server.listen({ port, host: '127.0.0.1', exclusive: true })
  await once(server, 'listening')
  const address = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return address.port
}
