"""A comment in address_refusal names the module where it is now."""

from workers.migrate import run_sql

revision = "0250"
down_revision = "0261"


def upgrade() -> None:
    run_sql(r"""
create or replace function address_refusal(address inet) returns text
language plpgsql stable
as $$
declare
    mapped constant inet := '::ffff:0.0.0.0';
    nat64 constant inet := '64:ff9b::';
    why text;
begin
    if exists (select from allowed_network where network >>= address) then
        return null;
    elsif address <<= inet '::ffff:0.0.0.0/96' then
        return address_refusal(inet '0.0.0.0' + (host(address)::inet - mapped));
    elsif address <<= inet '64:ff9b::/96' then
        return address_refusal(inet '0.0.0.0' + (host(address)::inet - nat64));
    end if;
    -- The same list as workers/upstreams/addresses.py, which checks at the time of the call.
    select meaning into why
      from (values
        (1, inet '0.0.0.0/8', 'this host'),
        (2, '10.0.0.0/8', 'private'),
        (3, '100.64.0.0/10', 'shared by a carrier'),
        (4, '127.0.0.0/8', 'loopback'),
        (5, '168.63.129.16/32', 'metadata of a cloud'),
        (6, '169.254.0.0/16', 'link-local, where clouds keep their metadata'),
        (7, '172.16.0.0/12', 'private'),
        (8, '192.0.0.0/24', 'reserved for protocols'),
        (9, '192.0.2.0/24', 'for documentation'),
        (10, '192.88.99.0/24', 'a 6to4 relay'),
        (11, '192.168.0.0/16', 'private'),
        (12, '198.18.0.0/15', 'for benchmarks'),
        (13, '198.51.100.0/24', 'for documentation'),
        (14, '203.0.113.0/24', 'for documentation'),
        (15, '224.0.0.0/4', 'multicast'),
        (16, '240.0.0.0/4', 'reserved'),
        (17, '::/128', 'this host'),
        (18, '::1/128', 'loopback'),
        (19, 'fc00::/7', 'private'),
        (20, 'fe80::/10', 'link-local, where clouds keep their metadata'),
        (21, 'fec0::/10', 'private'),
        (22, 'ff00::/8', 'multicast'),
        (23, '2001::/23', 'reserved for protocols'),
        (24, '2001:db8::/32', 'for documentation'),
        (25, '2002::/16', 'a 6to4 tunnel'),
        (26, '3fff::/20', 'for documentation')
      ) special(place, network, meaning)
     where network >>= address order by place limit 1;
    if why is null and family(address) = 6 and not address <<= inet '2000::/3' then
        why := 'reserved';
    end if;
    return why;
end
$$;

comment on function address_refusal(inet) is
    'Why calls to this address are refused, in words; null for a public address and for what allowed_network allows';

create or replace function url_address(url text) returns inet
language plpgsql immutable
as $$
declare
    authority text := regexp_replace(substring(lower(url) from '^[a-z+]+://([^/?#\\]*)'), '^.*@', '');
    host text := rtrim(case when authority like '[%' then substring(authority from '^\[([^]]*)')
                            else regexp_replace(authority, ':[0-9]*$', '') end, '.');
begin
    if host ~ '^(.*[.])?localhost$|^localhost[.]localdomain$|^ip6-(localhost|loopback)$' then
        return '127.0.0.1';
    elsif host in ('metadata', 'metadata.google.internal', 'instance-data', 'instance-data.ec2.internal') then
        return '169.254.169.254';
    elsif host ~ ':' or host ~ '^(0|[1-9][0-9]*)([.](0|[1-9][0-9]*)){3}$' then
        return host::inet;
    elsif host ~ '^(0x[0-9a-f]*|[0-9]+)([.](0x[0-9a-f]*|[0-9]+)){0,3}$' then
        -- Resolvers read 0177.1 and 2130706433 as 127.0.0.1.
        raise exception '"%" is no address', host using errcode = '22P02';
    end if;
    return null;
end
$$;

comment on function url_address(text) is
    'The address that an URL writes out or that its host always stands for; null for other names, an error for a number that is no address';
""")


def downgrade() -> None:
    """Nothing: only a comment in the function differs."""
