create role app login nobypassrls nosuperuser;
alter role app nobypassrls;
