# shellcheck shell=bash disable=SC2154
# check_relay.sh
#	check.sh's part for Relay.

# onboard [FIELD=VALUE]: a patient's body, one field written otherwise.
onboard() {
	edit '{"trigger_id":"welcome","launched_by":{"lb_name":"user@company.com","lb_source":"murallink"},"product_group_id":"default","deactivate_previous_connections":false,"input_parameters":{"input_site":"12"},"asset_id":"a","client_message_tag":"tag","customer":{"ccid":"p1","secondary_account_id":"2","first_name":"Roger","middle_name":"H","last_name":"Moore","date_of_birth":"1954-12-01","ssn_last4":"1234","gender":"M","addresses":[{"address1":"201 King of Prussia Road","address2":"","city":"Radnor","state_province":"PA","postal_code":"19087","country":"US"}],"notification_channels":[{"channel_type":"sms","channel_addr":"6105551212","consent_type":"written","phone_type":"mobile"}],"ext":{"member_since":"1999","membership_level":"gold","renewal_date":"05/01/2024"},"powerups_parameters":{"fullName_first":"Roger","name_last":"M","home_line_1":"a","home_line_2":"b","home_city":"c","home_zipcode":"19087","Address_state":"PA","color":"blue"}}}' "$@"
}

# relay BODY [CURL-OPTION...]: onboards with the right key.
relay() {
	call POST "$path" "$1" -H "xx-relay-api-key: $key" "${@:2}"
}

# texts: how many were sent.
texts() {
	call GET "/sandbox/ledger?partner=relay&kind=text${1:+&$1}"
	grep -o '"seq"' <<< "$body" | wc -l
}

path=/cdm/client/murallink/onboard
key=relay-key
long=$(printf 'x%.0s' {1..101})
relay "$(onboard)"
check 'patient onboarded' "$status $body" '200 {"message":"Accepted","mobile_analysis_results":{"16105551212":"mobile"}}'
check 'one text' "$(texts 'ccid=p1&number=16105551212&trigger_id=welcome&client_message_tag=tag')" 1
relay "$(onboard)"
check 'onboarded again' "$status" 200
check 'texted again' "$(texts)" 2
key=wrong
relay "$(onboard)"
check 'wrong key' "$status $body" '401 {"message":"Unauthorized"}'
call POST "$path" "$(onboard)"
check 'no key' "$status" 401
key=relay-key path=/cdm/client/other/onboard
relay "$(onboard)"
check 'another client' "$status $body" '404 *route parameter*'
path=/cdm/client/murallink/onboard
relay "$(onboard 'product_group_id="other"')"
check 'another product group' "$status $body" '409 *Conflict*'
for case in "trigger_id=\"$long\"" "lb_name=\"$long$long$long\"" 'lb_source=1' "lb_source=\"$long$long$long\"" 'product_group_id=""' 'product_group_id=5' \
	"product_group_id=\"$long\"" 'input_site=12' "input_site=\"$long\"" "asset_id=\"$long\"" "client_message_tag=\"$long\"" \
	'ccid=""' 'ccid=7' "ccid=\"$long\"" "secondary_account_id=\"$long\"" "first_name=\"$long\"" "middle_name=\"$long\"" \
	"last_name=\"$long\"" 'date_of_birth="12/01/1954"' 'date_of_birth="1954-02-30"' 'date_of_birth="1954-2-3"' \
	'ssn_last4="123"' 'ssn_last4="12345"' 'ssn_last4="12a4"' 'ssn_last4=1234' 'gender="Male"' "address1=\"$long\"" \
	"address2=\"$long\"" "city=\"$long\"" 'state_province="Penn"' 'postal_code="19087-12345"' 'country="USA"' 'country="1"' \
	'channel_type="email"' 'channel_addr="610555121"' 'channel_addr="161055512121"' 'channel_addr="26105551212"' 'channel_addr="610-555-12"' \
	'channel_addr=6105551212' 'consent_type="yes"' 'phone_type="mobile phone"' 'member_since=1999' "fullName_first=\"$long\"" \
	'Address_state="Penn"' 'home_zipcode="19087-12345"' "name_last=\"$long\"" "home_line_1=\"$long\"" "home_line_2=\"$long\"" \
	"home_city=\"$long\"" 'color=5'; do
	relay "$(onboard "$case")"
	check "onboarding with $case" "$status $body" "400 {\"message\":\"*${case%%=*}:*"
done
for case in 's/"product_group_id":"default",//product_group_id: is missing' 's/,"customer":.*}/}/customer: is missing' 's/"ccid":"p1",//customer.ccid: is missing' \
	's/"channel_addr":"6105551212",//notification_channels[[]0].channel_addr: is missing' \
	's/"consent_type":"written",//consent_type: is missing' 's/"input_site"/"site"/input_parameters.site: is not known' \
	's/"ext"/"exts"/customer.exts: is not known' 's/"gold"/"gold","more":"1"/ext.more: is not known' \
	's/:false/:"false"/deactivate_previous_connections: must be true or false' 's/"customer":.*}/"customer":"p1"}/customer: must be' \
	's/"trigger_id"/"trigger"/trigger: is not known'; do
	relay "$(onboard | sed "${case%/*}/")"
	check "onboarding after $case" "$status $body" "400 *${case##*/}*"
done
call POST "$path?a=b" "$(onboard)" -H "xx-relay-api-key: $key"
check 'query string' "$status $body" '400 *query string*'
relay '[]'
check 'no object' "$status $body" '400 *object*'
check 'nothing more was sent' "$(texts)" 2

# Numbers and consent
call POST /sandbox/settings '{"relay.landlines":"16105551213","relay.unresolved":"16105551214,16105551215"}'
relay "$(onboard 'channel_addr="16105551213"')"
check landline "$status $body" '200 *{"16105551213":"landline"}}'
relay "$(onboard 'channel_addr="16105551214"')"
check unresolved "$status $body" '200 *{"16105551214":"type-not-resolved"}}'
check 'landlines take no text' "$(texts)" 3
relay "$(onboard 'consent_type="stop"')"
check 'consent withdrawn' "$status" 200
check 'no text without consent' "$(texts)" 3
relay "$(onboard | sed 's/"notification_channels":[^]]*],//; s/false/true/')"
check 'no numbers any more' "$status $body $(texts)" '200 *"mobile_analysis_results":{}} 3'
call GET '/sandbox/ledger?kind=onboard&ccid=p1'
check 'onboardings in the ledger' "$(grep -o '"seq"' <<< "$body" | wc -l)" 6

# Readings
call POST /sandbox/settings '{"relay.nesting":"beside","relay.country":"3","relay.other_group":"allowed"}'
relay "$(onboard)"
check 'inside customer' "$status $body" '400 *customer.addresses: is not known*'
relay "$(onboard 'country="USA"' | sed 's/"addresses"/"x":1}&/; s/,"x":1}/},/; s/}}}$/}}/; s/default/other/')"
check 'beside customer' "$status $body $(texts)" '200 *Accepted* 4'
call POST /sandbox/settings '{"relay.nesting":"inside","relay.other_group":"refused"}'

# Faults, and what is left after a restart
f='"operation":"relay.onboard","count":1'
fault "{$f,\"when\":\"before\",\"action\":\"answer\",\"status\":500}"
relay "$(onboard)"
check 'server error' "$status $body" '500 {"message":"a fault on purpose"}'
fault "{$f,\"when\":\"after\",\"action\":\"close\"}"
relay "$(onboard 'product_group_id="other"')"
check 'no answer, yet a text' "$code $(texts)" '52 5'
stop
start
relay "$(onboard)"
check 'patients after a restart' "$status $(texts)" '409 5'
