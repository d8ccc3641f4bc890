# shellcheck shell=bash disable=SC2154
# check_paypal.sh
#	check.sh's part for PayPal.

# batch [FIELD=VALUE]: a batch of one item, one field written otherwise.
batch() {
	edit '{"sender_batch_header":{"sender_batch_id":"b1","email_subject":"You have a payment","email_message":"Thank you","note":"n"},"items":[{"recipient_type":"EMAIL","amount":{"currency":"USD","value":"75.00"},"note":"Thank you","receiver":"ann@example.org","sender_item_id":"i1","recipient_wallet":"PAYPAL","alternate_notification_method":{"phone":{"country_code":"1","national_number":"6105551212"}},"notification_language":"en-US","application_context":{"social_feed_privacy":"PRIVATE"},"purpose":"SERVICES"}]}' "$@"
}

# token: signs in; the token goes to $token.
token() {
	content_type=application/x-www-form-urlencoded call POST /v1/oauth2/token grant_type=client_credentials \
		-H 'Authorization: Basic bXVyYWxsaW5rOnNhbmRib3g='
	token=$(field access_token)
}

# paypal METHOD PATH [BODY]: calls with the token.
paypal() {
	call "$1" "/v1/payments/$2" "${3-}" -H "Authorization: Bearer $token"
}

# settings JSON: changes settings.
settings() {
	call POST /sandbox/settings "$1"
	check "settings $1" "$status" 200
}

# entries FILTER: how many entries the ledger has.
entries() {
	call GET "/sandbox/ledger?partner=paypal&$1"
	grep -o '"seq"' <<< "$body" | wc -l
}

# pay BODY: sends a batch; its number and that of its first item go to $batch and $item.
pay() {
	paypal POST payouts "$1"
	check "accepted: $1" "$status $body" '201 {"batch_header":{"payout_batch_id":"*","batch_status":"PENDING","sender_batch_header":*'
	batch=$(field payout_batch_id)
	paypal GET "payouts/$batch"
	item=$(field payout_item_id)
}

# Signing in
token=none
content_type=application/x-www-form-urlencoded call POST /v1/oauth2/token grant_type=client_credentials -H 'Authorization: Basic d3Jvbmc6'
check 'wrong secret' "$status $body" '401 {"error":"invalid_client",*'
call POST /v1/oauth2/token grant_type=client_credentials -H 'Authorization: Basic bXVyYWxsaW5rOnNhbmRib3g='
check 'token asked for as JSON' "$status $body" '400 {"error":"unsupported_grant_type",*'
paypal POST payouts "$(batch)"
check 'no token' "$status $body" '401 {"error":"invalid_token",*'
token
check token "$status $body" '200 {"scope":"https://uri.paypal.com/payments/payouts","access_token":"*","token_type":"Bearer",*"expires_in":32400}'

# What the OpenAPI asks for
long=$(printf 'x%.0s' {1..260})
for case in "sender_batch_id=\"$long\"" "email_subject=\"$long\"" "email_message=\"$long$long$long$long\"" 'recipient_type="HANDLE"' 'value=75' \
	'value="75"' 'value="75.000"' 'value="0.00"' 'value="-1.00"' 'currency="usd"' 'currency="JPY"' "receiver=\"$long\"" 'receiver="ann"' 'receiver=""' \
	"sender_item_id=\"$long\"" 'recipient_wallet="CASH"' 'country_code="one"' 'national_number=""' 'notification_language="x"' \
	'social_feed_privacy="private"' 'purpose="PAY"' 'recipient_type="USER_HANDLE"'; do
	paypal POST payouts "$(batch "$case")"
	check "batch with $case" "$status $body" '400 {"name":"VALIDATION_ERROR",*"field":"*","location":"body","issue":"*'
done
for case in 's/"sender_batch_header":{[^}]*},//' 's/"items":.*/"items":[]}/' 's/"amount":{[^}]*},//' 's/"receiver":"[^"]*",//' 's/"value":"[^"]*"/"x":"y"/' \
	's/"recipient_type":"EMAIL",//' 's/"note":"Thank you",/"notes":"",/'; do
	paypal POST payouts "$(batch | sed "$case")"
	check "batch after $case" "$status $body" '400 {"name":"VALIDATION_ERROR",*'
done
paypal POST payouts "$(batch | sed 's/"items":\[\(.*\)\]/"items":[\1,\1]/')"
check 'an item twice' "$status $body" '400 *"field":"items[[]1]","location":"body","issue":"DUPLICATE_ITEM"*'
paypal POST payouts "$(batch | sed 's/"PAYPAL"/"VENMO"/; s/"note":"Thank you",//')"
check 'Venmo without a note' "$status $body" '400 {"name":"VALIDATION_ERROR",*"field":"items[[]0]"*note*'
paypal POST payouts '{"sender'
check 'no JSON' "$status $body" '400 *'
check 'nothing was accepted' "$(entries kind=batch)" 0
for case in 'ERRPYO001 403 SENDER_RESTRICTED' 'ERRPYO005 422 INSUFFICIENT_FUNDS' 'ERRPYO006 500 INTERNAL_ERROR' 'ERRPYO011 403 REQUIRED_SCOPE_MISSING' \
	'ERRPYO014 400 USER_BUSINESS_ERROR' 'ERRPYO035 429 RATE_LIMIT_VALIDATION' 'ERRPYO039 409 PREVIOUS_REQUEST_IN_PROGRESS'; do
	paypal POST payouts "$(batch | sed "s/\"note\":\"Thank you\"/\"note\":\"${case%% *}\"/")"
	check "$case" "$status $body" "$(cut -d' ' -f2 <<< "$case") {\"name\":\"${case##* }\",*"
done

# A batch, once
pay "$(batch)"
check 'batch shown' "$status $body" '200 *"batch_status":"SUCCESS","sender_batch_header":{"sender_batch_id":"b1",*"amount":{"currency":"USD","value":"75.00"}*"transaction_status":"SUCCESS"*'
paypal GET "payouts-item/$item"
check 'item shown' "$status $body" '200 {"payout_item_id":"*"transaction_status":"SUCCESS"*"sender_batch_id":"b1","payout_item":{"amount":{"currency":"USD","value":"75.00"}*"sender_item_id":"i1"*'
paypal POST payouts "$(batch value='"80.00"')"
check 'again' "$status $body" "400 {\"name\":\"USER_BUSINESS_ERROR\",*\"field\":\"SENDER_BATCH_ID\",*already exists\",\"link\":[[]{\"href\":\"https://*/v1/payments/payouts/$batch\",\"rel\":\"self\",*"
check 'paid once' "$(entries 'kind=item&transaction_status=SUCCESS')" 1
settings '{"paypal.duplicate":"foreign"}'
paypal POST payouts "$(batch)"
check 'links elsewhere' "$status $body" '400 *payouts/NOSUCHBATCH00*'
settings '{"paypal.duplicate":"unlinked"}'
paypal POST payouts "$(batch)"
check 'no link' "$status $body" '400 *Duplicate batch request*'
settings '{"paypal.duplicate":"linked","paypal.batch_days":"0"}'
pay "$(batch)"
check 'paid again after 30 days' "$(entries 'kind=item&transaction_status=SUCCESS')" 2
settings '{"paypal.batch_days":"30"}'
pay "$(batch sender_batch_id='""')"
pay "$(batch sender_batch_id='""')"
check 'an empty number pays each time' "$(entries 'kind=item&transaction_status=SUCCESS')" 4
pay "$(batch sender_batch_id='"b2"' | sed 's/"PAYPAL"/"VENMO"/; s/"EMAIL"/"USER_HANDLE"/; s/ann@example.org/ann-lee/')"
check Venmo "$status $body" '200 *"recipient_wallet":"VENMO"*'
paypal GET payouts/none
check 'no batch' "$status $body" '404 {"name":"INVALID_RESOURCE_ID",*'
paypal GET payouts-item/none
check 'no item' "$status" 404
pay "$(batch sender_batch_id='"b3"' | sed 's/"items":\[\(.*\)\]/"items":[\1,\1]/; s/"i1"/"i2"/')"
paypal GET "payouts/$batch?page=2&page_size=1&total_required=true"
check 'second page' "$status $body" '200 *"total_items":2,"total_pages":2,"items":[[]{*"sender_item_id":"i1"*'
check 'an item a page' "$(grep -o '"payout_item"' <<< "$body" | wc -l)" 1
paypal GET "payouts/$batch?fields=batch_header"
check 'the head alone' "$status $(grep -c payout_item_id <<< "$body")" '200 0'
paypal GET "payouts/$batch?page_size=1001"
check 'page too large' "$status" 400
paypal GET "payouts/$batch?pages=1"
check 'unknown argument' "$status" 400

# What becomes of items
settings '{"paypal.items":"u@example.org=UNCLAIMED,f@example.org=FAILED:RECEIVER_UNREGISTERED,h@example.org=ONHOLD","paypal.looks":"2"}'
pay "$(batch receiver='"u@example.org"' | sed 's/"b1"/"b4"/')"
check pending "$body" '*"batch_status":"PROCESSING"*"transaction_status":"PENDING"*'
paypal POST "payouts-item/$item/cancel"
check 'cancelled too early' "$status $body" '400 {"name":"BATCH_NOT_COMPLETED",*'
paypal GET "payouts-item/$item"
check unclaimed "$body" '*"transaction_status":"UNCLAIMED"*'
paypal POST "payouts-item/$item/cancel" '{}'
check cancelled "$status $body" '200 *"transaction_status":"RETURNED"*'
paypal POST "payouts-item/$item/cancel" '{}'
check 'cancelled again' "$status $body" '400 {"name":"ITEM_INCORRECT_STATUS",*'
settings '{"paypal.looks":"0"}'
pay "$(batch receiver='"f@example.org"' | sed 's/"b1"/"b5"/')"
check failed "$body" '*"batch_status":"DENIED"*"transaction_status":"FAILED"*"errors":{"name":"RECEIVER_UNREGISTERED",*'
pay "$(batch receiver='"h@example.org"' | sed 's/"b1"/"b6"/')"
check held "$body" '*"transaction_status":"ONHOLD"*'
settings '{"paypal.items":"h@example.org=BLOCKED,ann@example.org=REVERSED"}'
paypal GET "payouts-item/$item"
check blocked "$body" '*"transaction_status":"BLOCKED"*'
settings '{"paypal.items":"h@example.org=SUCCESS"}'
paypal GET "payouts-item/$item"
check 'blocked for ever' "$body" '*"transaction_status":"BLOCKED"*'
settings '{"paypal.amounts":"wrong"}'
paypal GET "payouts-item/$item"
check 'wrong amount' "$body" '*"value":"9999.99"*'
settings '{"paypal.amounts":"right","paypal.scope":"none"}'
paypal GET "payouts-item/$item"
check 'no scope' "$status $body" '403 {"name":"REQUIRED_SCOPE_MISSING",*'
settings '{"paypal.scope":"payouts","paypal.token_calls":"1"}'
paypal GET "payouts-item/$item"
check 'token used up' "$status" 401
settings '{"paypal.token_calls":"0"}'

# Faults, and what is left after a restart
fault '{"operation":"paypal.pay","when":"after","action":"answer","status":500,"count":1}'
paypal POST payouts "$(batch sender_batch_id='"b7"')"
check 'accepted, and a 500' "$status $body $(entries 'kind=batch&sender_batch_id=b7')" '500 {"name":"INTERNAL_ERROR",* 1'
fault '{"operation":"paypal.pay","when":"before","action":"answer","status":429,"retry_after":30,"count":1}'
paypal POST payouts "$(batch sender_batch_id='"b8"')"
check 'too many calls' "$status $body $(entries 'kind=batch&sender_batch_id=b8')" '429 {"name":"RATE_LIMIT_REACHED",* 0'
stop
start
token
paypal POST payouts "$(batch sender_batch_id='"b7"')"
check 'known after a restart' "$status $body" '400 {"name":"USER_BUSINESS_ERROR",*'
