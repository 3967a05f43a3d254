import { randomInt } from 'node:crypto'
import type { Connection } from 'mysql2'
import type { Position } from '../../model.ts'
import { parsePosition } from '../position.ts'
import { openSession, type Session } from '../session.ts'

/** How often the server says where it is while nothing happens, in seconds. */
const heartbeat = 0.1
const binlogDump = 0x12

export interface Dump {
  pause(): void
  resume(): void
  close(): void
}

export interface DumpHandlers {
  /** An event as it came, with its header and checksum. */
  readonly onEvent: (bytes: Buffer) => void
  readonly onEnd: (error: Error | null) => void
}

interface Packet {
  readonly buffer: Buffer
  readonly offset: number
  readonly end: number
  isEOF(): boolean
  isError(): boolean
  asError(encoding: string): Error
}

/** What mysql2 asks of a command; its own one for the binlog knows few events, and fails. */
interface Command {
  execute(packet: Packet | undefined, connection: RawConnection): boolean
  onResult(error: Error): void
}

interface RawConnection extends Connection {
  readonly stream: { destroy(): void }
  addCommand(command: Command): void
  write(bytes: Buffer): void
  _resetSequenceId(): void
  _bumpSequenceId(packets: number): void
}

/** Has the server send its binlog from a position on, as to a replica. */
export async function startDump(url: string, from: Position, { onEvent, onEnd }: DumpHandlers): Promise<Dump> {
  const session = await openSession(url)
  try {
    await askForAllEvents(session)
  } catch (error) {
    await session.close()
    throw error
  }
  const connection = session.connection as RawConnection
  let isOver = false
  const end = (error: Error | null) => {
    if (isOver) return
    isOver = true
    // half of a connection would keep the server sending
    connection.stream.destroy()
    onEnd(error)
  }
  connection.on('error', end)
  connection.on('end', () => end(new Error('the server closed the connection')))
  connection.addCommand({
    onResult: end,
    execute(packet) {
      if (packet === undefined) {
        // oxlint-disable-next-line no-underscore-dangle -- mysql2 has no other door to it
        connection._resetSequenceId()
        // oxlint-disable-next-line no-underscore-dangle -- as above
        connection._bumpSequenceId(1)
        connection.write(requestFrom(from))
      } else if (packet.isError()) end(packet.asError('utf8'))
      else if (packet.isEOF()) end(new Error('the server ended its binlog'))
      else if (!isOver) {
        try {
          onEvent(packet.buffer.subarray(packet.offset + 1, packet.end))
        } catch (error) {
          end(error as Error)
        }
      }
      return isOver
    },
  })
  return {
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    close: () => end(null),
  }
}

async function askForAllEvents(session: Session): Promise<void> {
  await session.run(
    `set @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', @mariadb_slave_capability = 4,
         @master_heartbeat_period = ${heartbeat * 1e9}, @source_heartbeat_period = ${heartbeat * 1e9}`,
  )
}

function requestFrom(position: Position): Buffer {
  const { file, offset } = parsePosition(position)
  const request = Buffer.alloc(15 + Buffer.byteLength(file))
  request.writeUIntLE(request.length - 4, 0, 3)
  request.writeUInt8(binlogDump, 4)
  request.writeUInt32LE(offset, 5)
  // a number of our own: the server ends an older reader of the same one
  request.writeUInt32LE(randomInt(2 ** 30, 2 ** 31), 11)
  request.write(file, 15)
  return request
}
