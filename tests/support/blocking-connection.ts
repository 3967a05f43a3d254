import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'

const READY = 'Z'.charCodeAt(0)
const ERROR = 'E'.charCodeAt(0)
const AUTHENTICATION = 'R'.charCodeAt(0)
const ASKS_FOR_ANSWER = new Set(['Q', 'S', 'p'].map((letter) => letter.charCodeAt(0)))
const PATIENCE_MS = 60_000

/** PostgreSQL's protocol for a client that cannot wait, as one in WebAssembly: what is sent returns with its answer. */
export class BlockingConnection {
  readonly #worker: Worker
  readonly #port: MessageChannel['port1']
  /** Counts what arrived. */
  readonly #arrivals = new Int32Array(new SharedArrayBuffer(4))
  #unsent = Buffer.alloc(0)
  #unread = Buffer.alloc(0)
  #isStarted = false
  #isReady = false

  constructor(url: string) {
    const { hostname, port } = new URL(url)
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#worker = new Worker(new URL('./blocking-connection.worker.mjs', import.meta.url), {
      workerData: { host: hostname, port: Number(port), channel: port2, arrivals: this.#arrivals },
      transferList: [port2],
    })
  }

  /** Sends the messages that are complete; of one that is cut off the rest must follow. */
  exchange(bytes: Uint8Array): Uint8Array {
    this.#unsent = Buffer.concat([this.#unsent, bytes])
    const answers: Buffer[] = []
    for (let message = this.#nextToSend(); message !== null; message = this.#nextToSend()) {
      const asks = !this.#isStarted || ASKS_FOR_ANSWER.has(message[0] ?? 0)
      this.#isStarted = true
      this.#port.postMessage(message, [])
      if (asks) answers.push(...this.#readTurn())
    }
    return new Uint8Array(Buffer.concat(answers))
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }

  /** The first message has no letter in front of its length. */
  #nextToSend(): Buffer | null {
    const at = this.#isStarted ? 1 : 0
    if (this.#unsent.length < at + 4) return null
    const length = at + this.#unsent.readInt32BE(at)
    if (this.#unsent.length < length) return null
    const message = this.#unsent.subarray(0, length)
    this.#unsent = this.#unsent.subarray(length)
    return message
  }

  #readTurn(): Buffer[] {
    const messages: Buffer[] = []
    for (;;) {
      const message = this.#read()
      messages.push(message)
      if (message[0] === READY) this.#isReady = true
      if (message[0] === READY || (message[0] === ERROR && !this.#isReady) || asksForPassword(message)) return messages
    }
  }

  #read(): Buffer {
    while (this.#unread.length < 5 || this.#unread.length < 1 + this.#unread.readInt32BE(1))
      this.#unread = Buffer.concat([this.#unread, this.#waitForBytes()])
    const length = 1 + this.#unread.readInt32BE(1)
    const message = this.#unread.subarray(0, length)
    this.#unread = this.#unread.subarray(length)
    return message
  }

  #waitForBytes(): Uint8Array {
    for (;;) {
      const seen = Atomics.load(this.#arrivals, 0)
      const received = receiveMessageOnPort(this.#port)
      if (received?.message === null) throw new Error('the server has closed the connection')
      if (received) return received.message
      if (Atomics.wait(this.#arrivals, 0, seen, PATIENCE_MS) === 'timed-out') throw new Error('the server is silent')
    }
  }
}

/** Not the messages that only tell how far it is: authenticated (0), and the server's own proof (12). */
function asksForPassword(message: Buffer): boolean {
  return message[0] === AUTHENTICATION && ![0, 12].includes(message.readInt32BE(5))
}
