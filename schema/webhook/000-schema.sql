-- Reliable webhooks, in and out.

create schema webhook;

comment on schema webhook is 'owner=interop;about=Reliable webhooks, in and out: endpoints, a queue with leases and fencing tokens, and a log of every attempt.';

select core.create_service_roles('interop');
