/** What may keep a table or a server from taking part in a move. */
export const obstacleCodes = {
  IMH_SPLIT_TABLE_MISSING: 'A table that is to be moved does not exist.',
  IMH_SPLIT_VERSION: 'The server is older than what can be split.',
  IMH_SPLIT_WAL_LEVEL: 'The server writes no logical log.',
  IMH_SPLIT_SLOTS: 'All replication slots are in use.',
  IMH_SPLIT_SENDERS: 'All WAL senders are in use.',
  IMH_SPLIT_WAL_KEPT: 'The server forgets its log before a copy is over.',
  IMH_SPLIT_NO_BINLOG: 'The server writes no binlog of this database.',
  IMH_SPLIT_BINLOG_FORMAT: 'The binlog does not hold whole rows.',
  IMH_SPLIT_BINLOG_EXPIRY: 'The server forgets its binlog before a copy is over.',
  IMH_SPLIT_RIGHTS: 'The role may not do what a move needs.',
  IMH_SPLIT_KIND: 'What should move is not a table.',
  IMH_SPLIT_UNLOGGED: 'Changes to an unlogged table are in no log.',
  IMH_SPLIT_INHERITS: 'The table is part of an old-style inheritance.',
  IMH_SPLIT_LARGE_OBJECTS: 'Large objects are in no log.',
  IMH_SPLIT_NO_KEY: 'The table has no key by which its rows are known.',
  IMH_SPLIT_NULLABLE_KEY: 'The declared key may be null.',
  IMH_SPLIT_REPLICA_IDENTITY: 'The log does not say which row was changed.',
  IMH_SPLIT_TRIGGER: 'A trigger fires for rows that arrive by replication as well, or would not come back as it is.',
  IMH_SPLIT_ENGINE: 'The storage engine gives no consistent snapshot.',
  IMH_SPLIT_TYPE: 'A column has a type that has no equal on PostgreSQL.',
  IMH_SPLIT_DISK: 'The server that the service moves to has too little room.',
  IMH_SPLIT_CLOCK: 'The clocks of the two servers differ.',
} as const

export type ObstacleCode = keyof typeof obstacleCodes
