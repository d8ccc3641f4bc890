# shellcheck shell=bash disable=SC2154
# check_bastion.sh
#	check.sh's part for Bastion.

# endorsement [FIELD=VALUE]: an endorsement's body with every field, one written otherwise.
endorsement() {
	edit '{"reference":"r1","plan_id":85,"policyId":"2058","customer":{"firstName":"John","middleName":"","lastName":"Doe","maidenName":"","_email":"john@example.org","dob":"1962-01-10","gender":"Male","phone":"+2348012345678","relation":"Spouse","maritalStatus":2,"country":162,"state":15,"city":271,"address":"1 Main Street","genotype":1,"bloodGroup":2,"religion":5,"employeeId":"e","nationalId":"n","ninNumber":"1","height":180,"weight":80,"preExistingCondition":1,"condition":["651",702]}}' "$@"
}

# changes [FIELD=VALUE]: changed details, likewise.
changes() {
	edit '{"memberId":"'"$member"'","policyId":"2058","customer":{"firstName":"Jonny","middleName":"","lastName":"Doe","maidenName":"","_email":"","dob":"1962-01-10","gender":"Male","phone":"+2348012345678","address":"2 Main Street"}}' "$@"
}

# bastion METHOD PATH [BODY]: a call with the token.
bastion() {
	call "$1" "/api/v2/$2" "${3-}" -H "api-key: $token"
}

# get_token [BODY]: signs in with $password.
get_token() {
	call POST /api/v2/auth/generateAuthToken "${1-"{}"}" -H "api-key: $(printf 'murallink:%s' "$password" | base64)"
	token=$(field token)
}

# entries KIND [FILTER]: how many are in the ledger, which goes to $body.
entries() {
	call GET "/sandbox/ledger?partner=bastion&kind=$1${2:+&$2}"
	grep -o '"seq"' <<< "$body" | wc -l
}

# plans: the status with which the plans are answered.
plans() {
	bastion GET vendors/plans
	echo "$status"
}

refused='{"status":false,"message":'
password=sandbox
member=

# Tokens
get_token
check token "$status $body" '200 {"status":true,"token":"*"}'
for body in '{"expiresIn":"3600"}' '{"expiresIn":0}' '{"expires":1}'; do
	get_token "$body"
	check "token for $body" "$status $body" "400 $refused\"expires*"
done
password=wrong
get_token
check 'wrong password' "$status $body" "401 $refused\"api-key: *"
password=sandbox
for key in '' 'bXVyYWxsaW5rOnNhbmRib3' 'bXVyYWxsaW5r' 'Basic bXVyYWxsaW5rOnNhbmRib3g='; do
	call POST /api/v2/auth/generateAuthToken '{}' -H "api-key: $key"
	check "credentials '$key'" "$status" 401
done
get_token '{"expiresIn":3}'
bastion GET vendors/plans
check 'a token of three seconds' "$status" 200
await plans 401
bastion GET vendors/plans
check 'the token has expired' "$status $body" "401 $refused*"
get_token '{"expiresIn":3600}'
content_type=text/plain bastion GET vendors/plans
check 'each call is JSON by its header' "$status $body" "415 $refused*"
call GET /api/v2/vendors/plans '' -H "api-key: Bearer $token"
check 'a token with Bearer' "$status" 401
call GET /api/v2/vendors/plans '' -H "Authorization: $token"
check 'a token elsewhere' "$status" 401
call POST /sandbox/settings '{"bastion.bearer":"prefix"}'
bastion GET vendors/plans
check 'a token without Bearer' "$status" 401
call GET /api/v2/vendors/plans '' -H "api-key: Bearer $token"
check 'a token that needs Bearer' "$status" 200
call POST /sandbox/settings '{"bastion.bearer":"bare"}'

# Every operation asks for the token.
while read -r method path; do
	call "$method" "/api/v2/$path" "$(test "$method" = GET || echo '{}')" -H 'api-key: bXVyYWxsaW5rOnNhbmRib3g='
	check "$method $path without a token" "$status $body" "401 $refused*"
done << 'END'
POST auth/change-password
GET vendors/plans
GET vendors/plans/85
POST endorsement/add
GET conditions
POST endorsement/remove
GET enrollee-status?memberId=1
GET enrollee-plan?memberId=1
GET enrollee-utilization?memberId=1
POST endorsement/undo-delete
POST endorsement/update-member-plan
POST endorsement/update-enrollee-details
PATCH vendors/config
GET miscs/states
GET miscs/cities?state_id=15
GET miscs/providers-list
END

# Look-ups: path, status, pattern of the body
while read -r path wanted pattern; do
	bastion GET "$path"
	check "$path" "$status $body" "$wanted $pattern"
done << 'END'
vendors/plans 200 {"status":true,"message":"Broker Plans Retrieved Successfully!","data":[[]{"id":10052,"name":"Gold Plan",*}]}
vendors/plans?all=1 400 *all: is not known*
vendors/plans/10052 200 {"status":true,"message":"Broker Plan Retrieved Successfully!","data":{"id":10052,*"premium":64500.0}}
vendors/plans/1 404 {"status":false,*}
conditions?query=ABDOMINAL%20pre 200 {"statusCode":200,"message":"Successful!","data":[[]{"id":"651","pec_name":"Abdominal pregnancy","pec_chapter_id":"14","pec_status":"1"}]}
conditions 200 *Asthma*
conditions?name=x 400 *name: is not known*
miscs/states 200 {"status":true,"message":"States/Regions Retrieved Successfully!","data":[[]*{"id":15,"name":"Abuja (FCT)","country_id":162}]}
miscs/cities?state_id=15 200 {*"Cities Retrieved Successfully!","data":[[]{"id":271,"name":"Gwagwalada","state_id":15},*]}
miscs/cities 400 *state_id: is missing*
miscs/cities?state_id=Abuja 400 *state_id: must be digits*
miscs/providers-list?provider_type=1&state_id=10&city_id=115&search_text=abc&plan_id=85 200 {*"Providers List Retrieved Successfully!","data":[[]{"name":"ABC Health",*}]}
miscs/providers-list?provider_type=6&plan_id=85 200 *"data":[[]]}
miscs/providers-list?provider_type=4 400 *provider_type:*
miscs/providers-list?city_id=x 400 *city_id:*
miscs/providers-list?state_id=x 400 *state_id:*
miscs/providers-list?plan_id=x 400 *plan_id:*
enrollee-status?memberId=1 404 *memberId: is not known*
enrollee-status 400 *memberId: is missing*
enrollee-plan?memberId=1 404 *memberId: is not known*
enrollee-utilization?memberId=1 404 *memberId: is not known*
auth/password-reset?email=vendor@example.org 200 {"status":true,"message":"Successful!"}
auth/password-reset?email=other@example.org 404 *email: is not known*
auth/password-reset?email=vendor 400 *email:*
auth/password-reset 400 *email: is missing*
END
check 'reset in the ledger' "$(entries password_reset email=vendor@example.org)" 1

# Endorsements
bastion POST endorsement/add "$(endorsement)"
check 'member added' "$status $body" '200 {"status":true,"data":{"success":1,"message":"Endorsement created successfully.","membersDetails":{"planId":"85","memberId":"100004976","policyId":"2058","firstName":"John",*}}}'
check 'as answers show it' "$body" '*"dob":"10-01-1962"*"email":"john@example.org"*'
check 'no reference' "${body/*reference*/reference}" '{*'
member=$(field memberId)
check 'member in the ledger' "$(entries endorsement "reference=r1&memberId=$member&planId=85")" 1
check 'event noted' "$(entries webhook "event=added-policy-member&memberId=$member&status=0")" 1
bastion POST endorsement/add "$(endorsement 'plan_id="85"')"
check 'added again' "$status $body" '200 *"memberId":"100004977"*'
for case in 'reference=""' 'plan_id=1' 'plan_id=" "' 'policyId="1"' 'policyId=1' 'firstName=""' 'firstName=1' 'middleName=1' \
	'lastName=" "' 'maidenName=1' '_email="john"' 'dob="10-01-1962"' 'dob="1962-13-10"' 'gender="male"' 'phone=""' 'phone="12"' \
	'relation="Self"' 'relation="Aunt"' 'maritalStatus=6' 'maritalStatus="2"' 'country="162"' 'state="15"' 'city="271"' \
	'address=""' 'genotype=0' 'genotype="1"' 'bloodGroup=9' 'religion=6' 'employeeId=1' 'nationalId=1' 'ninNumber=1' 'height=0' \
	'height="180"' 'weight="80"' 'weight=-1' 'preExistingCondition=2'; do
	bastion POST endorsement/add "$(endorsement "$case")"
	check "endorsement with $case" "$status $body" "40[04] $refused*${case%%=*}:*"
done
for case in 'country=1' 'state=1' 'city=115'; do
	bastion POST endorsement/add "$(endorsement "$case")"
	check "endorsement with $case" "$status $body" "400 $refused\"customer: country, state and city are not known together*"
done
for name in reference policyId firstName lastName dob gender phone relation address plan_id maritalStatus country state city; do
	bastion POST endorsement/add "$(endorsement | sed "s/\"$name\":\(\"[^\"]*\"\|[0-9]*\),\{0,1\}//")"
	check "endorsement without $name" "$status $body" "400 $refused*$name: is missing*"
done
for case in 's/,"condition".*\]//condition is missing' 's/"651"/"1"/condition is not known' 's/\["651",702\]/[]/condition: must be' \
	's/\["651",702\]/651/condition: must be' 's/"651"/{}/condition: must be' 's/"_email"/"email"/customer.email: is not known' \
	's/,"customer".*}}/}/customer: is missing'; do
	bastion POST endorsement/add "$(endorsement | sed "${case%/*}/")"
	check "endorsement after $case" "$status $body" "400 $refused*${case##*/}*"
done
check 'no more members' "$(entries endorsement)" 2

# Members: call, body, status, pattern of the body
while read -r operation data wanted pattern; do
	bastion POST "endorsement/$operation" "${data//M/\"$member\"}"
	check "$operation $data" "$status $body" "$wanted $pattern"
done << 'END'
remove {"policyId":"2058"} 400 *memberId: is missing*
remove {"memberId":M} 400 *policyId: is missing*
remove {"memberId":"1","policyId":"2058"} 404 *memberId: is not known*
remove {"memberId":M,"policyId":"1"} 400 *policyId: is not the member*
undo-delete {"memberId":M} 400 *memberId: is not Deleted*
undo-delete {"memberId":"1"} 404 *memberId: is not known*
undo-delete {} 400 *memberId: is missing*
update-member-plan {"oldPlanId":"85","newPlanId":"86"} 400 *memberId: is missing*
update-member-plan {"memberId":M,"newPlanId":"86"} 400 *oldPlanId: is missing*
update-member-plan {"memberId":M,"oldPlanId":"85"} 400 *newPlanId: is missing*
update-member-plan {"memberId":M,"oldPlanId":"86","newPlanId":"85"} 400 *oldPlanId: is not the member*
update-member-plan {"memberId":M,"oldPlanId":"85","newPlanId":"1"} 404 *newPlanId: is not known*
update-member-plan {"memberId":1,"oldPlanId":"85","newPlanId":"86"} 404 *memberId: is not known*
update-member-plan {"memberId":M,"oldPlanId":"85","newPlanId":86} 200 {"status":true,"data":{"success":1,"message":"Re-endorsed?Member?Successfully.","membersDetails":{"planId":"86",*"memberId":"100004976",*}}}
remove {"memberId":M,"policyId":2058} 200 {"status":true,"data":{"success":1,"message":"Endorsement?deleted?successfully.","memberId":"100004976","policyId":"2058"}}
remove {"memberId":M,"policyId":2058} 400 *memberId: is not Active*
update-member-plan {"memberId":M,"oldPlanId":"86","newPlanId":"85"} 400 *memberId: is not Active*
END
bastion POST endorsement/update-enrollee-details "$(changes)"
check 'details of a deleted member' "$status $body" '400 *is not Active*'
bastion GET "enrollee-status?memberId=$member"
check 'status of a deleted member' "$status $body" '200 *"status":"Deleted"*'
bastion POST endorsement/undo-delete "{\"memberId\":$member}"
check 'deletion undone' "$status $body" '200 *"Re-endorsed Member Successfully.","membersDetails":{*"100004976",*'
bastion POST endorsement/update-enrollee-details "$(changes)"
check 'details changed' "$status $body" '200 *"Member Information Updated Successfully.","membersDetails":{"memberId":"100004976","policyId":"2058","firstName":"Jonny",*"email":"","dob":"10-01-1962","relation":"Spouse","age":"6?"}}}'
for case in 'memberId=1' 'policyId="1"' 'firstName=""' 'lastName=1' 'lastName=""' 'phone="12"' '_email="x"' 'dob="x"' 'gender="x"' 'phone=""' 'address=""'; do
	bastion POST endorsement/update-enrollee-details "$(changes "$case")"
	check "details with $case" "$status $body" "40[04] $refused*${case%%=*}:*"
done
for name in memberId policyId firstName lastName dob gender phone address; do
	bastion POST endorsement/update-enrollee-details "$(changes | sed "s/\"$name\":\"[^\"]*\",\{0,1\}//; s/,}/}/")"
	check "details without $name" "$status $body" "400 $refused*$name: is missing*"
done
bastion POST endorsement/update-enrollee-details '{"memberId":"1","policyId":"1"}'
check 'details without customer' "$status $body" '400 *customer: is missing*'
bastion POST endorsement/update-enrollee-details "$(changes | sed 's/"gender"/"relation":"Son",&/')"
check 'details with relation' "$status $body" '400 *customer.relation: is not known*'
bastion GET "enrollee-status?memberId=$member"
check status "$status $body" '200 {"status":true,"data":{"success":1,"message":"Member Status Details","member":{*"firstName":"Jonny",*"status":"Active"}}}'
bastion GET "enrollee-plan?memberId=$member"
check plan "$status $body" '200 {*"Member Plan Details","member":{"planId":"86",*"planName":"Silver Plan"}}}'
bastion GET "enrollee-utilization?memberId=$member"
check utilization "$status $body" '200 {*"Fetched Member Utilization Successfully.","membersDetails":{*"provider":"ABC Health","totalSpent":999,"balance":9999999}}}'
for case in 'removal 1' 'restoration 1' 'plan_change 1' 'details_change 1'; do
	check "${case% *} in the ledger" "$(entries "${case% *}" "memberId=$member")" "${case#* }"
done

# Events: they go to the sandbox itself, which has no such path but notes the call.
for bad in '{}' '{"webhookURL":"nowhere"}' '{"webhookURL":"ftp://a/b"}' '{"webhookURL":"http://a/b","webhookAccessKey":1}'; do
	bastion PATCH vendors/config "$bad"
	check "config $bad" "$status $body" "400 $refused\"webhook*"
done
bastion PATCH vendors/config "{\"webhookURL\":\"$url/webhook\",\"webhookAccessKey\":\"open\"}"
check config "$status $body" '200 {"status":true,"message":"Configuration updated successfully!"}'
check 'config in the ledger' "$(entries webhook_config webhookAccessKey=open)" 1
events() { entries webhook status=404; }
call POST /sandbox/settings '{"bastion.webhook":"on","bastion.webhook_times":2,"bastion.webhook_delay_ms":50}'
bastion POST endorsement/add "$(endorsement)"
await events 2
check 'event sent twice' "$(entries webhook memberId=100004978)" 2
call GET /sandbox/requests
check 'event on its way' "$body" '*"path":"/webhook",*"application/json"*added-policy-member*planId*85*accessKey*open*'
call POST /sandbox/settings '{"bastion.webhook":"held","bastion.webhook_times":1,"bastion.webhook_order":"newest"}'
bastion POST endorsement/remove "{\"memberId\":$member,\"policyId\":2058}"
bastion POST endorsement/undo-delete "{\"memberId\":$member}"
bastion POST endorsement/add "$(endorsement)"
check 'events held' "$(events)" 2
call POST /sandbox/settings '{"bastion.webhook":"on"}'
await events 4
check 'events in another order' "$(events; grep -o '"event":"[^"]*","memberId' <<< "$body")" '*added-policy-member*added-policy-member*added-policy-member*re-endorsed-member*'
call POST /sandbox/settings '{"bastion.webhook":"off","bastion.webhook_order":"oldest"}'

# Readings
call POST /sandbox/settings '{"bastion.refusal":"200","bastion.reference":"unique","bastion.relation_self":"allowed"}'
bastion POST endorsement/add "$(endorsement)"
check 'reference used' "$status $body" "200 $refused\"reference: has been used\"}"
bastion POST endorsement/add "$(endorsement 'reference="r2"' | sed 's/"Spouse"/"Self"/')"
check 'relation Self' "$status $body" '200 *"relation":"Self"*'
call POST /sandbox/settings '{"bastion.refusal":"success","bastion.numbers":"number","bastion.dob":"iso","bastion.shows_reference":"yes"}'
bastion GET 'enrollee-status?memberId=1'
check 'refused by success 0' "$status $body" '200 {"status":true,"data":{"success":0,"message":"memberId: is not known"}}'
bastion GET "enrollee-status?memberId=$member"
check 'numbers, dates and references' "$status $body" '200 *"planId":86,"memberId":100004976,"policyId":2058,*"dob":"1962-01-10"*"reference":"r1"*'
call POST /sandbox/settings '{"bastion.refusal":"4xx","bastion.numbers":"text"}'
bastion GET 'miscs/cities?state_id=15'
check 'identifiers as text' "$status $body" '200 *{"id":"271","name":"Gwagwalada","state_id":"15"}*'
call POST /sandbox/settings '{"bastion.numbers":"mixed","bastion.token_calls":1}'
get_token
bastion GET miscs/states
bastion GET miscs/states
check 'token used up' "$status" 401
call POST /sandbox/settings '{"bastion.token_calls":0}'
get_token

# The password
change='{"oldPassword":"sandbox","newPassword":"changed","newConfirmPassword":"changed"}'
for case in 'oldPassword="wrong"' 'newPassword=""' 'newConfirmPassword="other"' 'oldPassword=1'; do
	bastion POST auth/change-password "$(edit "$change" "$case")"
	check "password with $case" "$status $body" "400 $refused\"${case%%=*}:*"
done
for name in oldPassword newPassword newConfirmPassword; do
	bastion POST auth/change-password "$(sed "s/\"$name\":\"[^\"]*\",\{0,1\}//; s/,}/}/" <<< "$change")"
	check "password without $name" "$status $body" "400 $refused\"$name: is missing*"
done
bastion POST auth/change-password "$change"
check 'password changed' "$status $body" '200 {"data":{"success":true,"message":"Password Successfully updated!"}}'
bastion GET miscs/states
check 'token of the earlier password' "$status" 401
get_token
check 'earlier password' "$status" 401

# Faults, and what is left after a restart
stop
start
get_token
check 'earlier password after a restart' "$status" 401
password=changed
get_token
check 'password after a restart' "$status" 200
bastion GET "enrollee-plan?memberId=$member"
check 'members after a restart' "$status $body" '200 *"firstName":"Jonny",*"planName":"Silver Plan"*'
f='"operation":"bastion.addEndorsement","count":1'
fault "{$f,\"when\":\"before\",\"action\":\"answer\",\"status\":503}"
bastion POST endorsement/add "$(endorsement 'reference="r3"')"
check 'server error' "$status $body" "503 $refused\"a fault on purpose\"}"
fault "{$f,\"when\":\"before\",\"action\":\"answer\"}"
bastion POST endorsement/add "$(endorsement 'reference="r3"')"
check 'refused with status 200' "$status $body $(entries endorsement reference=r3)" "200 $refused* 0"
fault "{$f,\"when\":\"after\",\"action\":\"close\"}"
bastion POST endorsement/add "$(endorsement 'reference="r3"')"
check 'no answer, yet a member' "$code $(entries endorsement reference=r3)" '52 1'
call POST /sandbox/reset '{}'
password=sandbox
get_token
check 'password after a reset' "$status" 200
