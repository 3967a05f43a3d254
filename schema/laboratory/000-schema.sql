-- LIMS: catalogue, orders, sample chain of custody, results, reports, quality control (ISO 15189).

create schema laboratory;

comment on schema laboratory is 'owner=lab;about=LIMS: catalogue, orders, sample chain of custody, results, reports, quality control (ISO 15189).';

select core.create_service_roles('lab');
