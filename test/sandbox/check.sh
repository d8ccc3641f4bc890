#!/bin/bash
# check.sh [PROGRAM]
#	Checks the partner sandbox itself with curl; the last line is "N passed, N failed".
#	RUNNER="valgrind ..." runs it under another program.

set -u

program=${1:-$(dirname "$0")/../../build/sandbox/murallink-sandbox}
scratch=$(mktemp -d)
ledger=$scratch/ledger
passed=0
failed=0
pid=
trap 'test -z "$pid" || kill "$pid"; wait; rm -rf "$scratch"' EXIT

# start [OPTION...]: runs a sandbox on a free port and waits until it listens.
start() {
	rm -f "$scratch/port"
	${RUNNER:-} "$program" --ledger "$ledger" --port-file "$scratch/port" "$@" &
	pid=$!
	until test -s "$scratch/port" || ! kill -0 "$pid"; do sleep 0.05; done
	url=http://127.0.0.1:$(cat "$scratch/port")
}

# stop: ends the sandbox; its exit code goes to $code.
stop() {
	kill "$pid"
	ended
}

# ended: waits for the end of a sandbox; its exit code goes to $code.
ended() {
	wait "$pid"
	code=$?
	pid=
}

# call METHOD PATH [BODY [CURL-OPTION...]]: status, body and curl's exit code go to
# $status, $body and $code.  $content_type is JSON's unless set.
call() {
	local method=$1 path=$2 data=${3-}

	body=$(curl -s -m 20 -X "$method" -H "Content-Type: ${content_type:-application/json}" -H "sessionId: $session" \
		-w '\n%{http_code}' ${data:+--data-binary} ${data:+"$data"} "${@:4}" "$url$path")
	code=$?
	status=${body##*$'\n'}
	body=${body%$'\n'*}
}

# check NAME VALUE PATTERN: passes when the value fits the pattern.
check() {
	# shellcheck disable=SC2053 # the pattern is meant as one
	if [[ $2 == $3 ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "not ok: $1: $2"
	fi
}

# field NAME: the value of a field of $body that is text or a number.
field() {
	sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<< "$body"
}

# sign_in: opens a session.
sign_in() {
	call POST /authendpoint/v1/login '{"username":"murallink","password":"sandbox"}'
	session=$(field sessionId)
}

# order [FIELD=VALUE]: a card order's body, one field written otherwise or, empty, left out.
order() {
	edit '{"customerId":12345,"custProgId":987654,"orderProdType":"Personalized Payroll Order","cardType":"Digital","orderDetails":[{"firstName":"Ann","lastName":"Lee","phone":"+1 (555) 010-0199","email":"ann@example.org"}]}' "$@"
}

# load [FIELD=VALUE]: a load's body, likewise.
load() {
	edit '{"customerId":12345,"custProgId":987654,"fundingId":54850,"orderDetails":[{"amount":"75.00","proxyKey":"'"$card"'","referenceId":"r1"}]}' "$@"
}

# edit JSON [FIELD=VALUE]: the JSON with one field's value, if there is one, another.
edit() {
	if test $# = 1; then
		echo "$1"
	else
		# shellcheck disable=SC2001
		sed "s#\"${2%%=*}\":\(\"[^\"]*\"\|[0-9]*\)#\"${2%%=*}\":${2#*=}#" <<< "$1"
	fi
}

# summary: the ledger's sums go to $body.
summary() {
	call GET /sandbox/summary
}

# loads: how many there are by the ledger's sums.
loads() {
	summary
	field loads
}

# await COMMAND NUMBER: waits until the command says the number.
await() {
	local tries
	for tries in {1..600}; do
		test "$($1)" = "$2" && return
		sleep 0.05
	done
	check "await $tries $1" "$($1)" "$2"
}

# fault JSON: makes one fault the only one.
fault() {
	call DELETE /sandbox/faults
	call POST /sandbox/faults "[$1]"
	check "fault $1" "$status" 200
}

orders=/orderendpoint/v1/orderCards
loads=/orderendpoint/v1/loadCards
unloads=/orderendpoint/v1/unloadCards
details=/orderendpoint/v1/getOrderDetailsByOrderId
session=

# Sessions
start --reading dash.session_calls=0
call GET /sandbox/health
check health "$status $body" '200 {"status":"ok"}'
call POST $orders "$(order)"
check 'no session' "$status $body" '401 *sessionId*'
call POST /authendpoint/v1/login '{"username":"murallink","password":"wrong"}'
check 'wrong password' "$status $body" '401 *failure*'
call POST /authendpoint/v1/login '{"username":"murallink"}'
check 'no password' "$status $body" '400 *password: is missing*'
sign_in
check 'signed in' "$status $body" '200 {"status":"success","sessionId":"*"}'

# Cards
call POST $orders "$(order)"
check 'card ordered' "$status $body" '200 {"status":"success","orderId":"*","proxyKey":"0????????????","personId":*}'
card=$(field proxyKey)
order_id=$(field orderId)
for case in 'customerId=99' 'customerId="12345"' 'custProgId=1' 'orderProdType=""' 'cardType="digital"' 'cardType=1' \
	'firstName=" "' 'firstName=null' 'phone="12"' 'phone=5550100199' 'email="ann"' 'email="a@b"' 'email="a@b@c.org"'; do
	call POST $orders "$(order "$case")"
	check "order with $case" "$status $body" "400 *${case%%=*}:*"
done
call POST $orders "$(order 'phone=""')"
check 'order without phone' "$status" 200
call POST $orders "$(order | sed 's/"phone":"[^"]*","email":"[^"]*"/"phone":"","email":""/')"
check 'order without contact' "$status $body" '400 *orderDetails: phone and email*'
call POST $orders "$(order | sed 's/"firstName"/"firstname":"x",&/')"
check 'unknown key' "$status $body" '400 *firstname: is not known*'
call POST $orders "$(order | sed 's/"orderDetails":.*/"orderDetails":[]}/')"
check 'order of nothing' "$status $body" '400 *orderDetails:*'

# Loads
call POST $loads "$(load)"
check loaded "$status $body" '200 {"status":"success","orderId":"*","newBalance":"75.00"}'
for case in 'customerId=1' 'custProgId=1' 'fundingId=1' 'fundingId="54850"' 'amount="75"' 'amount="75.0"' 'amount="075.00"' \
	'amount="0.00"' 'amount="-1.00"' 'amount=75.00' 'amount=75' 'amount="1e3"' 'amount=" 1.00"' 'amount="1.00 "' \
	'amount="9999999999.00"' 'proxyKey="1"' 'proxyKey=1' 'referenceId=5'; do
	call POST $loads "$(load "$case")"
	check "load with $case" "$status $body" "400 *${case%%=*}:*"
done
call POST $loads "$(load | sed 's/"referenceId"/"reference"/')"
check 'misspelt key' "$status $body" '400 *reference: is not known*'
call POST $loads "$(load | sed 's/,"referenceId":"r1"//')"
check 'load without reference' "$status $body" '200 *"150.00"*'
call POST $loads "$(load)"
check 'the same load again' "$status $body" '200 *"225.00"*'
summary
check summary "$body" '{"loads":3,"loaded":"225.00","orders":2,"references":1,"duplicates":1}'
call GET '/sandbox/ledger?kind=load&referenceId=r1'
check 'ledger of a reference' "$body" \
	'[[]{"ledger":"load","seq":3,*"amount":"75.00",*"referenceId":"r1",*},{*"seq":5,*}]'
call GET /sandbox/ledger
check 'whole ledger' "$(grep -o '"seq"' <<< "$body" | wc -l) $(wc -l < "$ledger")" '5 5'

# Look-ups
call GET "$details?orderId=$order_id"
check 'details by order' "$status $body" "200 *\"proxyKey\":\"$card\"*\"balance\":\"225.00\"*\"referenceId\":\"r1\"*"
call GET "$details?proxyKey=$card&customerProgramId=987654"
check 'details by card' "$status $body" "200 *\"orderId\":\"$order_id\"*"
call GET "$details?orderId=1"
check 'unknown order' "$status $body" '400 *orderId:*'
call GET "$details?orderId=$order_id&more=1"
check 'unknown argument' "$status $body" '400 *more:*'

# Money back, links, shipping, lists
call POST $unloads "$(load)"
check unloaded "$status $body" '200 {"status":"success","orderId":"*","newBalance":"150.00"}'
call POST $unloads "$(load 'amount="150.01"')"
check 'more than there is' "$status $body" '400 *amount: is not on the card*'
call GET "/orderendpoint/v1/sendDigitalCardAlert?cpId=987654&proxyKey=$card&resendMethod=sms&alertType=Initial"
check 'link sent again' "$status $body" '200 {"status":"success"}'
call GET "/orderendpoint/v1/sendDigitalCardAlert?cpId=987654&proxyKey=$card&resendMethod=letter&alertType=Initial"
check 'link by letter' "$status $body" '400 *resendMethod:*'
call GET "/orderendpoint/v1/getShippingInformation?proxyKey=$card&customerProgramId=987654"
check 'shipping of a card' "$status $body" '200 *"Not shipped"*'
call GET "/orderendpoint/v1/getOrderTrackingInfo?orderId=$order_id"
check 'tracking of an order' "$status $body" "200 *\"proxyKey\":\"$card\"*"
profile='{"customerId":12345,"custProgId":987654,"personId":"5000001","firstName":"Ann","lastName":"Lee","phone":"","email":""}'
call POST /orderendpoint/v1/updateCardholder "$profile"
check 'profile changed' "$status $body" '200 {"status":"success"}'
call POST /orderendpoint/v1/updateCardholder "${profile/5000001/1}"
check 'profile of nobody' "$status $body" '400 *personId:*'
call GET /orderendpoint/v1/getCustomerList
check customers "$status $body" '200 *"customerId":12345,*'
call GET '/orderendpoint/v1/getCustomerProgramList?customerId=12345'
check programs "$status $body" '200 *"custProgId":987654,*'
call GET '/orderendpoint/v1/getAllVirtualAccountsByCustomer?customerId=1'
check 'accounts of another customer' "$status $body" '400 *customerId:*'
call POST $loads "$(load)"
check 'loaded again' "$status $body" '200 *"225.00"*'

# HTTP
call POST /nothing '{}'
check 'unknown path' "$status" 404
call POST $loads/ "$(load)"
check 'not this path' "$status" 404
call GET $loads
check 'other method' "$status" 405
call POST "$loads?a=b" "$(load)"
check 'query string' "$status" 400
call POST $loads "$(load)" -H 'Content-Type: text/plain'
check 'other type' "$status" 415
for garbage in '' '{' '[]' '"text"' '{"a":1,"a":2}' $'{"\xff":1}' $'{"caf\xc3\xa9":1}' '{}{}' '{"amount":99999999999999999999}'; do
	call POST $loads "$garbage" -d ''
	check "garbage $garbage" "$status $body" '400 *failure*'
done
head -c 100000 /dev/zero | tr '\0' '[' > "$scratch/deep"
call POST $loads "@$scratch/deep"
check 'deep nesting' "$status $body" '400 *depth*'
head -c 1100000 /dev/zero | tr '\0' ' ' > "$scratch/large"
call POST $loads "@$scratch/large"
check 'large body' "$status $body" '413 *large*'
call GET "$details?%ff=%00"
check 'query string not UTF-8' "$status" 400
summary
check 'nothing was loaded' "$body" '{"loads":4,*'
call GET /sandbox/requests
check 'requests seen' "$body" '*"method":"POST","path":"'$loads'",*"content-type":"application/json"*'

# Connections stay open
curl -s -o "$scratch/out" "$url$details?orderId=1" -o "$scratch/out" "$url$details?orderId=2"
call GET /sandbox/requests
ports=$(grep -o '"orderId":"[12]"[^}]*}[^}]*}[^}]*"port":[0-9]*' <<< "$body" | tail -2 | sed 's/.*://' | uniq | wc -l)
check 'connections stay open' "$ports" 1

# Faults
call POST /sandbox/reset '{}'
sign_in
check 'session after reset' "$status" 200
call POST $orders "$(order)"
check 'card after reset' "$body" "*\"$card\"*"
# strike EXPECTED-CODE-AND-STATUS LOADS FAULT: what a load comes to under a fault.
strike() {
	fault "$3"
	call POST $loads "$(load)" -D "$scratch/head"
	check "answer to $3" "$code $status $body" "$1"
	summary
	check "loads at $3" "$body" "{\"loads\":$2,*"
}
f='"operation":"dash.loadCards","when":"before","count":1'
strike '52 *' 0 "{$f,\"action\":\"close\"}"
strike '56 *' 0 "{$f,\"action\":\"reset\"}"
strike '0 503 *failure*' 0 "{$f,\"action\":\"answer\",\"status\":503,\"retry_after\":7}"
check 'Retry-After' "$(tr -d '\r' < "$scratch/head")" $'*Retry-After: 7\n*'
strike '0 429 *' 0 "{$f,\"action\":\"answer\",\"status\":429,\"retry_at\":60}"
check 'Retry-After as a date' "$(tr -d '\r' < "$scratch/head")" $'*Retry-After: ???, ?? ??? 20?? ??:??:?? GMT\n*'
strike '0 429 *' 0 "{$f,\"action\":\"answer\",\"status\":429,\"retry_after\":1}"
strike '0 401 *' 0 "{$f,\"action\":\"answer\",\"status\":401}"
strike '0 307 *' 0 "{$f,\"action\":\"answer\",\"status\":307}"
check Location "$(tr -d '\r' < "$scratch/head")" "*Location: $loads"$'\n*'
strike '0 200 *failure*' 0 "{$f,\"action\":\"answer\",\"status\":200}"
call POST $loads "$(load)"
check 'the fault is over' "$status $body" '200 *"75.00"*'
f=${f/before/after}
strike '52 *' 2 "{$f,\"action\":\"close\"}"
strike '56 *' 3 "{$f,\"action\":\"reset\"}"
strike '0 500 *' 4 "{$f,\"action\":\"answer\",\"status\":500}"
strike '18 200 {"status":*' 5 "{$f,\"action\":\"truncate\"}"
strike '0 200 {"status":"success",*[!}]' 6 "{$f,\"action\":\"malformed\"}"
strike '0 200 ' 7 "{$f,\"action\":\"empty\"}"
strike '0 200 {"status":"success",*' 8 "{$f,\"action\":\"answer\",\"content_type\":\"text/html\"}"
check Content-Type "$(tr -d '\r' < "$scratch/head")" $'*Content-Type: text/html\n*'
strike '0 502 <html>' 9 "{$f,\"action\":\"answer\",\"status\":502,\"body\":\"<html>\"}"
strike '0 200 {*}' 10 "{$f,\"action\":\"slow\",\"delay_ms\":1}"
fault "{$f,\"action\":\"endless\",\"delay_ms\":10}"
call POST $loads "$(load)" -m 1 -o "$scratch/out"
check 'endless body' "$code" 28
fault "{$f,\"action\":\"slow\",\"delay_ms\":500}"
call POST $loads "$(load)" -m 1 -o "$scratch/out"
check 'slow body' "$code" 28
fault "{$f,\"action\":\"delay\",\"delay_ms\":600}"
call POST $loads "$(load)" -o "$scratch/out" -w '%{time_total}'
check delay "$body" '@(0.[6-9]|[1-9])*'
call POST $loads "$(load 'amount="0.00"')"
check 'a refusal is not struck after' "$status" 400
summary
check 'loads under faults' "$body" '{"loads":13,*'


# A delayed load is applied though nobody waits for it, when the faults are removed, and holds up nobody else.
f=${f/after/before}
fault "{$f,\"action\":\"delay\",\"delay_ms\":600000}"
call POST $loads "$(load)" -m 2
check 'given up' "$code" 28
call POST $loads "$(load)"
check 'another load' "$code $status" '0 200'
summary
check 'meanwhile' "$body" '{"loads":14,*'
call DELETE /sandbox/faults
await loads 15
summary
check 'both loaded' "$body" '{"loads":15,*'

# Faults by chance, the same in every run
chances() {
	call DELETE /sandbox/faults
	call POST '/sandbox/faults?seed=42' '[{"operation":"dash.*","when":"before","action":"answer","status":500,"probability":0.5}]'
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
		call POST $loads '{}'
		printf '%s ' "$status"
	done
}
once=$(chances)
check 'some by chance' "$once" '*500*400*500*'
check 'the same chances' "$(chances)" "$once"
call GET /sandbox/faults
check 'faults are counted' "$body" '[[]{*"seen":12,"fired":*}]'
for bad in '{}' '[{}]' '[{"operation":"dash.loadCard","when":"before","action":"close"}]' \
	'[{"operation":"dash.loadCards","when":"between","action":"close"}]' \
	'[{"operation":"dash.loadCards","when":"after","action":"explode"}]' \
	'[{"operation":"dash.loadCards","when":"after","action":"answer","status":100}]' \
	'[{"operation":"dash.loadCards","when":"after","action":"close","count":-1}]'; do
	call POST /sandbox/faults "$bad"
	check "bad fault $bad" "$status" 400
done
call DELETE /sandbox/faults

# Settings
for bad in '[]' '{"dash.sesion":"body"}' '{"dash.session":"cookie"}' '{"dash.session_calls":-1}' '{"dash.funding_total":"5"}' '{"dash.session":null}'; do
	call POST /sandbox/settings "$bad"
	check "bad setting $bad" "$status $body" '400 *failure*'
done
call POST /sandbox/settings '{"dash.session_calls":2}'
sign_in
call POST $loads '{}'
call POST $loads '{}'
check 'session in use' "$status" 400
call POST $loads '{}'
check 'session used up' "$status" 401
call POST /sandbox/settings '{"dash.session_calls":0,"dash.session_ms":100}'
sign_in
sleep 0.2
call POST $loads "$(load)"
check 'session too old' "$status" 401
call POST /sandbox/settings '{"dash.session_ms":0,"dash.funding_total":"1200.00"}'
sign_in
call POST $loads "$(load)"
check 'funds left' "$status" 200
call POST $loads "$(load)"
check 'no funds left' "$status $body" '400 *fundingId: has insufficient funds*'
call POST /sandbox/settings '{"dash.funding_total":"","dash.refusal":200,"dash.reference":"refused"}'
call POST $loads "$(load)"
check 'reference refused, with status 200' "$status $body" '200 *failure*referenceId: is not known*'
call POST /sandbox/settings '{"dash.session":"body","dash.answer":"nested","dash.numbers":"number","dash.reference":"allowed"}'
call POST $loads "$(load)"
check 'session in the header' "$status" 401
call POST $loads "$(load | sed "s/{/{\"sessionId\":\"$session\",/")"
check 'session in the body' "$status $body" '200 {"status":"success","data":{"orderId":*,"orderDetails":[[]{"proxyKey":"0*","newBalance":1275.0}]}}'
call POST /sandbox/settings '{"dash.session":"query","dash.details_loads":"anonymous"}'
call POST "$loads?sessionId=$session" "$(load)"
check 'session in the query' "$status" 200
call GET "$details?sessionId=$session&proxyKey=$card&customerProgramId=987654"
check 'loads without reference' "$status ${body/*referenceId*/referenceId}" '200 *loadDate*'
call POST /sandbox/settings '{"dash.session":"header","dash.answer":"flat","dash.numbers":"text","dash.details_loads":"none"}'
call GET "$details?proxyKey=$card&customerProgramId=987654"
check 'details without loads' "$status ${body/*\"loads\"*/loads}" '200 *"personId":"5000001"*'

# Several rows: an order is a batch, a load is all or nothing.
call POST $orders "$(order | sed 's/\[\(.*\)\]/[\1,\1]/')"
check 'batch order' "$status $body" '200 {"status":"success","orderId":"*"}'
call GET "$details?orderId=$(field orderId)"
check 'cards of a batch' "$status $(grep -o proxyKey <<< "$body" | wc -l)" '200 2'
second=$(field proxyKey)
call POST $loads "$(load | sed "s/\[\(.*\)\]/[\1,\1]/; s/$card/$second/2")"
check 'batch load' "$status $body" "200 *\"newBalance\":\"1425.00\"*$second\",\"newBalance\":\"75.00\"*"
call POST /sandbox/settings '{"dash.bulk_calls":"1"}'
call POST $orders "$(order | sed 's/\[\(.*\)\]/[\1,\1]/')"
batch=$(field orderId)
call GET "/orderendpoint/v1/getOrderTrackingInfo?orderId=$batch"
check 'tracking of a batch that is being made' "$status $(grep -c proxyKey <<< "$body")" '200 0'
call GET "$details?orderId=$batch"
check 'a batch that is being made' "$status $(grep -o ann@example.org <<< "$body" | wc -l) $(grep -c 'proxyKey\|personId' <<< "$body")" \
	'200 2 0'
call GET "$details?orderId=$batch"
check 'and made' "$status $(grep -o 'proxyKey\|personId' <<< "$body" | wc -l)" '200 4'
call POST $loads "$(load | sed "s/\[\(.*\)\]/[\1,\1]/; s/$card/1/2")"
check 'batch load with an unknown card' "$status $body" '200 *failure*orderDetails[[]1].proxyKey:*'
summary
check 'loads with settings' "$body" '{"loads":20,"loaded":"1500.00",*'

# An end, in peace or by death, loses nothing that was applied.
stop
check 'ends in peace' "$code" 0
start
summary
check 'ledger after an end' "$body" '{"loads":20,"loaded":"1500.00",*'
sign_in
session_before=$session
call POST /sandbox/faults '[{"operation":"dash.loadCards","when":"after","action":"crash"}]'
{
	call POST $loads "$(load)"
	crashed=$code
	ended
} 2> "$scratch/killed"
check 'crash after a load' "$crashed $code" '52 137'
printf '{"ledger":"load","seq":' >> "$ledger"
start --port "${url##*:}" --no-sync dash.details_by=order
summary
check 'ledger after a crash' "$body" '{"loads":21,"loaded":"1575.00",*'
session=$session_before
call POST $loads "$(load)"
check 'sessions do not survive' "$status" 401
sign_in
call POST $loads "$(load)"
check 'cards do' "$status $body" '200 *"newBalance":"1575.00"*'
check 'the torn line is gone' "$(tail -1 "$ledger")" '{"ledger":"load","seq":27,*}'
call GET "$details?proxyKey=$card&customerProgramId=987654"
check 'details by order alone' "$status" 400

# Many at once
load 'referenceId="many"' > "$scratch/load"
seq 500 | sed 's|.*|url = "'"$url$loads"'"\noutput = "/dev/null"|' > "$scratch/urls"
curl -sS --no-progress-meter -Z --parallel-immediate --parallel-max 50 -H 'Content-Type: application/json' -H "sessionId: $session" -d "@$scratch/load" -K "$scratch/urls"
call GET '/sandbox/ledger?referenceId=many'
check 'many loads at once' "$(grep -o '"seq"' <<< "$body" | wc -l)" 500

# Start and end
"$program" --ledger "$ledger" 2> "$scratch/error"
check 'one sandbox a ledger' "$? $(cat "$scratch/error")" '1 *in use*'
"$program" --ledger "$scratch/other" --reading dash.session=cookie 2> "$scratch/error"
check 'bad reading' "$? $(cat "$scratch/error")" '1 *dash.session must be one of*'
"$program" --ledger "$scratch/other" --port "${url##*:}" 2> "$scratch/error"
check 'port in use' "$? $(cat "$scratch/error")" '1 *port*'
call POST /sandbox/faults '[{"operation":"dash.loadCards","when":"before","action":"delay","delay_ms":60000}]'
curl -s -o "$scratch/out" -H 'Content-Type: application/json' -H "sessionId: $session" -d "@$scratch/load" "$url$loads" &
struck() {
	call GET /sandbox/faults
	field fired
}
await struck 1
stop
check 'ends at once, though a call is delayed' "$code" 0
check 'delayed load is not applied' "$(wc -l < "$ledger")" 527

# The other partners, with a ledger of their own
ledger=$scratch/partners
start
for part in relay inside_rx bastion paypal; do
	# shellcheck source=/dev/null
	. "$(dirname "$0")/check_$part.sh"
done
stop

echo "$passed passed, $failed failed"
test "$failed" = 0
