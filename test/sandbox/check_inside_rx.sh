# shellcheck shell=bash disable=SC2034,SC2154
# check_inside_rx.sh
#	check.sh's part for Inside Rx.

# enrollment [FIELD=VALUE]: an enrollment's body with every field, one written otherwise.
enrollment() {
	edit '{"action":"create","active":true,"memberId":"M1","group":"SAVE11","subId":"1","firstName":"Jane","middleName":"","lastName":"Doe","suffix":"Jr","gender":"female","dob":"1980-03-23","email":"jane@example.org","phone":"5125458080","address":{"line1":"123 Main Street","line2":"","city":"Austin","state":"TX","zip":"78701","zipExtension":"1234"},"startDate":"2018-09-26","endDate":"2019-09-26","originDate":"2018-01-01"}' "$@"
}

# enroll TYPE BODY: enrolls a card or a person with the right key.
enroll() {
	call POST "/eligibility/v1/enrollment/$1" "$2" -H 'x-api-key: inside-rx-key'
}

wrong='"message":"Incorrect or missing required parameters.","statusCode":400'
card='{"action":"create","memberId":"AB12345678","group":"SAVE11","startDate":"2018-09-26","endDate":"2019-09-26"}'
person='{"action":"create","memberId":"AB12345678","group":"SAVE11","firstName":"Jane","lastName":"Doe","dob":"1980-03-23"}'
enroll card "$card"
check 'card enrolled' "$status $body" \
	'200 {"id":"????????-????-4???-????-????????????","action":"create","active":true,"memberId":"AB12345678","group":"SAVE11","gender":"unknown","startDate":"2018-09-26","endDate":"2019-09-26"}'
enroll person "$person"
check 'person enrolled' "$status $body" '200 {"id":*,"action":"create",*"firstName":"Jane","lastName":"Doe","gender":"unknown","dob":"1980-03-23"}'
for type in card person; do
	check "$type in the ledger" "$(call GET "/sandbox/ledger?kind=enrollment&type=$type&active=true" && echo "$body")" \
		'[[]{*"memberId":"AB12345678"*}]'
	enroll $type "${person}"
	check "$type enrolled again" "$status $body" '400 {"id":*,"message":"Enrollment Already Exists. Use update action instead.","statusCode":400}'
	enroll $type "$(enrollment 'action="update"')"
	check "update of an unknown $type" "$status $body" '404 {"id":*,"message":"Member not found.","statusCode":404}'
	call POST /eligibility/v1/enrollment/$type "$person"
	check "$type without a key" "$status $body" '403 {"id":*,"message":"Lack of permissions to process enrollment.","statusCode":403}'
	call POST /eligibility/v1/enrollment/$type "$person" -H 'x-api-key: wrong'
	check "$type with a wrong key" "$status" 403
	for case in 'action="delete" ACTION' 'action=1 ACTION' 'memberId="" MEMBER_ID' 'memberId=1 MEMBER_ID' 'group=" " GROUP' \
		'firstName=1 FIRST_NAME' 'lastName=1 LAST_NAME' 'gender="F" GENDER' 'dob="03/23/1980" DOB' 'dob="" DOB' \
		'email="jane" EMAIL' 'phone="512-545-80" PHONE' 'phone="512545808" PHONE' 'phone="51254580800" PHONE' 'email="" EMAIL' 'line1=1 ADDRESS' 'city=1 ADDRESS' \
		'state="Texas" ADDRESS_STATE' 'state="tx" ADDRESS_STATE' 'state="T" ADDRESS_STATE' 'state="TXA" ADDRESS_STATE' 'zip="7870" ADDRESS_ZIP' 'zip=78701 ADDRESS_ZIP' 'zip="787011" ADDRESS_ZIP' 'zip="7870x" ADDRESS_ZIP' \
		'zipExtension="12" ADDRESS_ZIP_EXT' 'zipExtension="12345" ADDRESS_ZIP_EXT' 'zipExtension="123x" ADDRESS_ZIP_EXT' 'startDate="2018-13-01" START_DATE' 'endDate="x" END_DATE' \
		'originDate="2018" ORIGIN_DATE'; do
		enroll $type "$(enrollment "${case% *}")"
		check "$type with ${case% *}" "$status $body" "400 {*$wrong,\"errorCode\":\"${case##* }_INCORRECT_OR_MISSING\"}"
	done
	for case in 's/"action":"create",// ACTION' 's/"memberId":"M1",// MEMBER_ID' 's/"group":"SAVE11",// GROUP' \
		's/:true/:"true"/ ACTIVE' 's/"address":{[^}]*}/"address":"x"/ ADDRESS' 's/"M1"/1/;s/SAVE11// MEMBER_ID'; do
		enroll $type "$(enrollment | sed "${case% *}")"
		check "$type after ${case% *}" "$status $body" "400 {*$wrong,\"errorCode\":\"${case##* }_INCORRECT_OR_MISSING\"}"
	done
	enroll $type "$(enrollment | sed 's/"subId"/"subid"/')"
	check "unknown field of a $type" "$status $body" "400 {\"id\":*,$wrong}"
	enroll $type "$(enrollment)"
	check "$type with every field" "$status ${body/*\"\"*/empty}" '200 *"address":{"line1":"123 Main Street","city":"Austin",*"originDate":"2018-01-01"}'
	enroll $type "$(enrollment 'action="update"' | sed 's/:true/:false/; s/Jane/Janet/')"
	check "$type deactivated" "$status $body" '200 {*"action":"update","active":false,*"firstName":"Janet"*}'
done
for case in 's/"firstName":"Jane",// FIRST_NAME' 's/Jane// FIRST_NAME' 's/"lastName":"Doe",// LAST_NAME' 's/,"dob":"[^"]*"// DOB'; do
	enroll person "$(sed "${case% *}" <<< "$person")"
	check "person after ${case% *}" "$status $body" "400 {*$wrong,\"errorCode\":\"${case##* }_INCORRECT_OR_MISSING\"}"
done

# Readings: an update without "active" activates, or not, and keeps the other fields, or not.
update='{"action":"update","memberId":"M1","group":"SAVE11","subId":"1","gender":"male"}'
enroll card "$update"
check 'activated by an update' "$status $body" '200 {*"active":true,*"firstName":"Janet",*"gender":"male",*"city":"Austin"*}'
enroll card "$(enrollment 'action="update"' | sed 's/:true/:false/')"
call POST /sandbox/settings '{"inside_rx.active":"kept","inside_rx.update":"replace","inside_rx.required":"phone,email"}'
enroll card "$update"
check 'required by the account' "$status $body" '400 *"EMAIL_INCORRECT_OR_MISSING"*'
call POST /sandbox/settings '{"inside_rx.required":"","inside_rx.groups":"SAVE12,SAVE11"}'
enroll card "$update"
check 'kept inactive, replaced' "$status ${body/*firstName*/kept}" '200 {*"active":false,*"gender":"male"}'
enroll card "${update/SAVE11/SAVE10}"
check 'not permitted for a group' "$status" 403
call POST /sandbox/settings '{"inside_rx.required":"dob,nothing"}'
check 'no field' "$status $body" '400 *must be fields*'

# The other reading of how fields are sent
call POST /sandbox/settings '{"inside_rx.required":"","inside_rx.groups":"","inside_rx.body":"form"}'
enroll card "$card"
check 'no form' "$status" 415
form() {
	local content_type=application/x-www-form-urlencoded
	enroll card "$1"
}
form 'action=create&active=false&memberId=F1&group=SAVE11&address.line1=A%26B&address.city=New+York'
check 'form' "$status $body" '200 {*"active":false,"memberId":"F1",*"address":{"line1":"A&B","city":"New York"}}'
form 'action=update&active=no&memberId=F1&group=SAVE11'
check 'form with an error' "$status $body" '400 *"ACTIVE_INCORRECT_OR_MISSING"*'
for bad in 'action' 'action=create&action=create' 'group=%ff' 'address=x&address.city=y' 'address.city=y&address=x'; do
	form "$bad"
	check "form $bad" "$status $body" '400 *'
done
call POST /sandbox/settings '{"inside_rx.body":"json"}'

# Faults, and what is left after a restart
f='"operation":"inside_rx.*","count":1'
fault "{$f,\"when\":\"before\",\"action\":\"answer\",\"status\":500}"
enroll card "${card/AB/CD}"
check 'server error' "$status $body" '500 {"id":*,"message":"Internal server error, something went wrong.","statusCode":500}'
fault "{$f,\"when\":\"after\",\"action\":\"reset\"}"
enroll card "${card/AB/CD}"
check 'no answer' "$code" 56
enroll card "${card/AB/CD}"
check 'yet enrolled' "$status $body" '400 *Already Exists*'
stop
start
enroll card "${card/AB/CD}"
check 'enrollments after a restart' "$status $body" '400 *Already Exists*'
call GET '/sandbox/ledger?kind=enrollment&memberId=CD12345678'
check 'enrolled once' "$(grep -o '"seq"' <<< "$body" | wc -l)" 1
