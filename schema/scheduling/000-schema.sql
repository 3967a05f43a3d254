-- Availability, appointments, queues and virtual visits; owned by the appointment service together with booking.

create schema scheduling;

comment on schema scheduling is 'owner=appointment;about=Availability, appointments, queues, virtual visits.';

select core.create_service_roles('appointment');
