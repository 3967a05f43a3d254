-- Whoever tells other services of rows reads the outbox in this order, from where it has stopped.
create index outbox_events_order_idx on core.outbox_events (txid, aggregate_seq);

comment on index core.outbox_events_order_idx is 'about=Across tenants: the relay reads all of them.';
