/** What `connect` gives: a pool of connections to one database. */
export interface Database {
  /**
   * Runs one statement with bind parameters ($1..) on any connection. Results: int8 is a number while it fits, else text;
   * numeric, date and timestamp are text, timestamptz a Date, json parsed, bytea a Buffer.
   * @throws DatabaseError (the subclass of its SQLSTATE), ConnectionFailedError, ConnectionLostError
   */
  query<T>(sql: string, params?: readonly unknown[]): Promise<T[]>
  /**
   * Runs `work` in one transaction and commits it; any error takes everything back. The whole of `work` is repeated after a
   * serialization failure, deadlock or lock timeout, and after nothing else: it must be free of effects outside.
   * @throws what `work` throws, CommitUnknownError when the connection broke during COMMIT
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** A connection of one's own outside the pool, for session state such as advisory locks. Release it: that closes it. */
  dedicated(): Promise<Connection>
  /** Streams rows in COPY's text form (or the form that the statement names) into `copy .. from stdin`: all or nothing. */
  copyFrom(sql: string, rows: AsyncIterable<string | Buffer> | Iterable<string | Buffer>): Promise<void>
  /** Waits for statements under way, then closes all connections. */
  close(): Promise<void>
  /** As given to `connect`: holds the password, print `redactUrl(url)`. */
  readonly url: string
}

export interface Transaction {
  query<T>(sql: string, params?: readonly unknown[]): Promise<T[]>
}

export interface Connection extends Transaction {
  /** Sends a text of many statements as one simple-query message: one implicit transaction unless it says otherwise. */
  script(sql: string): Promise<void>
  /** Runs one statement and returns its values as PostgreSQL wrote them, for a caller that has its own way to read them. */
  answer(sql: string): Promise<TextAnswer>
  /** As `Database.copyFrom`, inside the open transaction. */
  copyFrom(sql: string, rows: AsyncIterable<string | Buffer> | Iterable<string | Buffer>): Promise<void>
  /**
   * What `copy .. to stdout` sends, in pieces of any size; the server waits for a slow reader. Read it to the end: leaving
   * early closes the connection.
   */
  copyTo(sql: string): AsyncIterable<Buffer>
  /** Closes the connection, also when a statement is under way. */
  release(): Promise<void>
  /** Process id of the backend. */
  readonly pid: number
  /** Nothing more can be sent: the server or the network ended it, or it was released. */
  readonly lost: boolean
}

export interface TextAnswer {
  /** The command tag without its count: 'SELECT', 'UPDATE', 'CREATE TABLE', ... */
  readonly command: string
  /** Rows that the statement returned or changed. */
  readonly count: number
  /** `type` is the oid of pg_type. */
  readonly columns: readonly { readonly name: string; readonly type: number }[]
  readonly rows: readonly (readonly (string | null)[])[]
}

export interface Statement {
  readonly sql: string
  readonly params: readonly unknown[]
}

export interface TransactionOptions {
  /** Default: the database's, which is read committed. */
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable'
  readonly readOnly?: boolean
  /** How often the work is repeated after 40001, 40P01 and 55P03. Default 5. */
  readonly retries?: number
  /** Statements sent right behind BEGIN, in the same round trip as the first statement of the work. */
  readonly first?: readonly Statement[]
}

export interface Notice {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
}

export interface ConnectOptions {
  /** Connections in the pool, default 10. They are opened when they are needed. */
  readonly max?: number
  /** What pg_stat_activity shows, default 'imhotep'. */
  readonly applicationName?: string
  /** Told each NOTICE and WARNING; they are dropped otherwise. */
  readonly onNotice?: (notice: Notice) => void
}
