"""What people write to a support desk: topics with their usual turns, in several languages.

`{order}`, `{amount}` and `{name}` are filled in. Lines of a topic fit together in any choice.
"""

from __future__ import annotations

from plugins.intercom.sandbox.generate.languages import OTHER_LANGUAGES
from plugins.intercom.sandbox.generate.topic import Topic

TOPICS = (
    Topic(
        "billing",
        "en",
        "15",
        "Charged twice this month",
        (
            "Hi, I just looked at my card statement and you charged me {amount} twice on the same day. Can you check?",
            "Our invoice for this month is {amount} but we downgraded two weeks ago. Why the old price?",
        ),
        (
            (
                "Hi {name}, sorry about that. I can see both payments here; one of them is a retry that should have"
                " been cancelled."
            ),
            (
                "I have checked your account: the downgrade is booked for your next renewal, which is why this"
                " invoice still shows the old plan."
            ),
            ("Could you send me the last four digits of the card so that I find the right payment?"),
        ),
        (
            "It ends in 4417.",
            "Okay, but when do I get the money back?",
            ("Our accountant needs a corrected invoice for this, is that possible?"),
            "Thanks, I can see it now.",
        ),
        (
            "The second payment is on its way back to you, banks take three to five days. Have a good day!",
            "I have sent the corrected invoice to your billing address.",
        ),
        "Second charge is a gateway retry, see the payments log. Refunded {amount}.",
    ),
    Topic(
        "login",
        "en",
        "20",
        "Cannot log in",
        (
            "I cannot log in since this morning. It says my password is wrong but I have not changed it.",
            "The reset email never arrives. I looked in spam too.",
        ),
        (
            "Hi {name}, let us get you back in. Which email address do you use?",
            ("I have sent a new reset link, it is good for one hour."),
            (
                "Your company switched on single sign-on yesterday, so passwords no longer work there."
                " Please use the company button on the login page."
            ),
        ),
        (
            "Still nothing, I waited ten minutes.",
            "That worked on my phone but not on my laptop.",
            ("Ah, nobody told us about the single sign-on!"),
            "I am in, thank you.",
        ),
        ("Glad that you are back in. Write any time.", "Perfect. I will close this one."),
        "Mail bounced on our side: their server greylists. Resent by hand.",
    ),
    Topic(
        "bug",
        "en",
        "16",
        "Export stops at 1,000 rows",
        (
            "When I export my report to CSV the file always stops at 1,000 rows. The screen shows 4,312.",
            'The dashboard is blank in Firefox. The console says "undefined is not an object". Screenshot attached.',
        ),
        (
            "Thank you for the precise report, {name}. I can reproduce it and have passed it to our engineers.",
            "Could you tell me your browser version, and whether it also happens in a private window?",
            "A fix is in review, I expect it to be out tomorrow.",
        ),
        (
            "Firefox 146, and yes, in a private window as well.",
            ("Any news? We need this for the board meeting on Thursday."),
            "It works for the small report but not the big one.",
            "Confirmed fixed here. Great work!",
        ),
        (
            "The fix is live since this morning. Please reload once.",
            "Closing this now; it is in today's release notes.",
        ),
        "Regression from last week's paging change. Ticket for engineering is open.",
    ),
    Topic(
        "shipping",
        "en",
        "19",
        "Where is my order {order}?",
        (
            "Hello, order {order} should have been here on Monday. The tracking page has not moved for four days.",
            "Half of my order {order} is missing: two boxes came, the packing list says three.",
        ),
        (
            "Hi {name}, I am sorry for the wait. I have asked the carrier to look for the parcel.",
            ("The third box left our warehouse a day later and is due tomorrow before noon."),
            ("Would you rather have a replacement or your money back?"),
        ),
        (
            "A replacement, please, but it has to be here by Friday.",
            "It says delivered but there is nothing here!",
            "My neighbour had it. Sorry for the fuss 😅",
            "Good, I will wait until tomorrow.",
        ),
        ("The replacement is on its way with express delivery.", "I am glad that it turned up. Enjoy!"),
        "Carrier claims delivery to a parcel shop. Replacement approved up to {amount}.",
    ),
    Topic(
        "feature",
        "en",
        "17",
        "Dark mode?",
        (
            "Is there any plan for a dark mode? I work nights and the white screen hurts.",
            "It would help us a lot if saved filters could be shared with the whole team.",
        ),
        (
            "Thanks for the idea, {name}! It is on our list and I have added your vote.",
            ("You can already share a filter by its link, though not yet by team. Would that help for now?"),
        ),
        ("Sharing by link is fine for now.", "Do you have a date?", "If you need testers, count me in."),
        ("I will write to you as soon as it is out.", "You are on the list of testers now."),
        "Fourth request for this in a month. @Luc",
    ),
    Topic(
        "refund",
        "en",
        "18",
        "Refund for {order}",
        (
            "I would like my money back for {order}. It does not fit and I returned it ten days ago.",
            "I cancelled within the trial but was charged {amount} anyway.",
        ),
        (
            "Hi {name}, I found your return; it reached us yesterday. The refund of {amount} is booked.",
            "You are right, that should not have happened. I have cancelled the charge.",
        ),
        ("To which card?", "My bank says that there is nothing pending.", "Received, thanks."),
        ("To the card that you paid with, within five working days.", "All done from our side."),
        "Inside the 30 days. Refund without return slip, my decision.",
        blame="I had to ask twice for my own money.",
    ),
    Topic(
        "onboarding",
        "en",
        "8",
        "How do I invite my team?",
        (
            "We are four people and I only see one seat. How do I invite the others?",
            "What is the difference between an admin and an agent?",
        ),
        (
            "Welcome, {name}! Open Settings, then Team, and choose Invite. Your plan has five seats.",
            ("Admins can change settings and billing, agents only answer conversations. Here is an article about it."),
        ),
        ("Found it. One invitation came back as undeliverable.", "Perfect, that is all I needed."),
        ("I have corrected the typing error in the address and sent it again.", "Have fun setting up!"),
        "Trial, 12 seats likely after. Worth a call.",
    ),
    Topic(
        "privacy",
        "en",
        "13",
        "Please delete my data",
        (
            "Please delete everything that you have about me, under article 17 of the GDPR.",
            "Where is our data stored, and do you have a data processing agreement?",
        ),
        (
            "Hi {name}, I have started the deletion. You get a confirmation within 30 days.",
            ("Our servers are in Frankfurt. The agreement is in Settings under Legal, ready to be signed."),
        ),
        ("Does this include backups?", "Thanks, our lawyer will be pleased."),
        ("Backups are overwritten after 35 days.", "Gladly."),
        "Checked identity by callback.",
    ),
    *OTHER_LANGUAGES,
)

BY_LANGUAGE = {
    language: tuple(topic for topic in TOPICS if topic.language == language)
    for language in {topic.language for topic in TOPICS}
}

BOT_ANSWERS = (
    "Thanks for writing! While a teammate has a look, here is an article that may help.",
    'I am Fin, an AI agent. I can answer many questions at once; say "human" to reach the team.',
    "Did that answer your question?",
)
LONG_TALK = (
    "Still seeing it on our side.",
    "Here is another log line from this minute.",
    "We restarted the worker and watch it now.",
    "No change after the restart.",
    "Thanks, checking with the second team.",
)
