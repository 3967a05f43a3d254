/** Reads the numbers and texts of an event one behind the other. */
export class Cursor {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length
  }

  take(length: number): Buffer {
    const end = this.at + length
    if (end > this.bytes.length) throw new RangeError('an event ends in the middle of a value')
    const taken = this.bytes.subarray(this.at, end)
    this.at = end
    return taken
  }

  skip(length: number): void {
    this.at += length
  }

  uint(length: number): number {
    const value = this.bytes.readUIntLE(this.at, length)
    this.at += length
    return value
  }

  int(length: number): number {
    const value = this.bytes.readIntLE(this.at, length)
    this.at += length
    return value
  }

  uintBE(length: number): number {
    if (length === 0) return 0
    const value = this.bytes.readUIntBE(this.at, length)
    this.at += length
    return value
  }

  /** The protocol's number of one to nine bytes. */
  packedInteger(): number {
    const first = this.uint(1)
    if (first < 0xfb) return first
    if (first === 0xfc) return this.uint(2)
    if (first === 0xfd) return this.uint(3)
    const value = Number(this.bytes.readBigUInt64LE(this.at))
    this.at += 8
    return value
  }

  text(length: number): string {
    return this.take(length).toString('utf8')
  }
}
