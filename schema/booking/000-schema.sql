-- The way into scheduling.appointments: idempotent, race-proof requests to book.

create schema booking;

comment on schema booking is 'owner=appointment;about=Race-proof booking API; holds and requests in one table.';

select core.create_service_roles('appointment');
