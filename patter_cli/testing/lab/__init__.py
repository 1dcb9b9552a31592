"""The carrier lab: a telephone company on this machine, with people, machines and dead lines at its numbers.

It takes the requests that a real carrier takes and refuses those that it refuses, posts signed webhooks, opens media
streams and plays what they bring in real time. Nothing in it is shared with the adapters that it is there to test.

    async with TwilioLab(reach={"phone.example": port}) as lab:
        carrier = Twilio(lab.account_sid, lab.auth_token, base_url=lab.base_url)

    async with TelnyxLab(reach={"phone.example": port}) as lab:
        carrier = Telnyx(lab.api_key, lab.connection_id, lab.public_key, base_url=lab.base_url)

Who picks up is said by the last two digits of the number: patter_cli.testing.lab.people has the table.
"""
