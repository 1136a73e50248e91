create or replace function currency_codes() returns text[]
language sql immutable
as $$
    select regexp_split_to_array('AED AFL AFN AMD ANG AOA ARS ATS AUD AWG AZN BAM BBD BDT BEF BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN
        BZD CAD CDF CHE CHF CHW CLF CLP CNH CNY COP COU CRC CUC CUP CVE CYP CZK DEM DJF DKK DOP DZD EEK EGP ERN ESP
        ETB EUR FIM FJD FKP FRF GBP GEL GGP GHS GIP GMD GNF GRD GTQ GYD HKD HNL HRK HTG HUF IDR IEP ILS INR IQD IRR
        ISK ITL JEP JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LTL LUF LVL LYD MAD MDL MGA
        MKD MMK MNT MOP MRO MRU MTL MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NLG NOK NPR NZD OMR PAB PEN PGK PHP PKR
        PLN PRB PTE PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SKK SLE SLL SOS SRD SSP STD STN SVC SYP SZL
        THB TJS TMT TND TRY TTD TVD TWD TZS UAH UGX USD USN UYI UYU UZS VEF VES VND VUV WST XAF XAG XAU XBA XBB XBC
        XBD XCD XCG XDR XOF XPD XPF XPT XSU XUA YER ZAR ZMK ZMW ZWD ZWG ZWL', '\s+')
$$;

comment on function currency_codes() is 'Currencies (ISO 4217, some of the past) that prices are read in';

create or replace function currency_refusal(code text) returns text
language sql stable
as $$
    select did_you_mean(code, currency_codes()) || 'Write an ISO 4217 code such as EUR, USD or GBP.'
     where code ~ '^[A-Z]{3}$' and not code = any (currency_codes())
$$;

comment on function currency_refusal(text) is 'What to write instead of a currency that no price is read in; null for one that is';
