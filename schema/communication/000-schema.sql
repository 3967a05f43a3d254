-- Messages to people.

create schema communication;

comment on schema communication is 'owner=notification;about=Messages to people: templates, notifications, SMS, WhatsApp and e-mail, and what each person agreed to receive.';

select core.create_service_roles('notification');
