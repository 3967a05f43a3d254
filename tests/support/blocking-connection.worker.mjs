// Holds the socket of a BlockingConnection, whose own thread sleeps while it waits.
import { connect } from 'node:net'
import { workerData } from 'node:worker_threads'

const { host, port, channel, arrivals } = workerData
const socket = connect(port, host)
socket.setNoDelay(true)
socket.on('data', (bytes) => deliver(new Uint8Array(bytes)))
socket.on('error', () => undefined)
socket.on('close', () => deliver(null))
channel.on('message', (bytes) => socket.write(bytes))

function deliver(message) {
  channel.postMessage(message, [])
  Atomics.add(arrivals, 0, 1)
  Atomics.notify(arrivals, 0)
}
