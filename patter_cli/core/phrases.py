"""What is said when nobody wrote the words for it, in the languages that we know it in; and a plan in another language.

An agent's own words are its author's to write. These are ours: bridges, apologies, goodbyes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from patter_cli.core.plan import CallPlan, SystemPhrases

ENGLISH: Final = SystemPhrases()
PHRASES: Final = {
    "en": ENGLISH,
    "es": SystemPhrases(
        filler="Un momento, por favor.",
        apology="Perdone, algo ha fallado por mi parte. ¿Puede repetirlo?",
        trouble="Lo siento, tengo problemas técnicos y debo terminar la llamada. Por favor, llame más tarde.",
        still_working="Sigo con ello, gracias por esperar.",
        repeat="Perdone, no le he entendido. ¿Puede repetirlo?",
        no_answer="Lo siento, no tengo respuesta para eso. ¿Puede preguntarlo de otra manera?",
        resumed="Disculpe, ya estoy de vuelta. Continúe, por favor.",
        recording_notice="Esta llamada se graba.",
        goodbye="Gracias por llamar. Adiós.",
        still_there="¿Sigue usted ahí?",
        idle_goodbye="No le oigo, así que voy a colgar. Adiós.",
        drain_goodbye="Lo siento, tengo que terminar la llamada. Adiós.",
        go_on="¿Continúo?",
        anything_else="¿Puedo ayudarle en algo más?",
        time_warning="Nos queda más o menos un minuto de llamada.",
        time_goodbye="Lo siento, se nos ha acabado el tiempo. Gracias por llamar. Adiós.",
        cost_warning="Tenemos que ir terminando.",
        cost_goodbye="Lo siento, tengo que terminar aquí. Gracias por llamar. Adiós.",
        no_transfer="Lo siento, no he podido pasarle. ¿Puedo ayudarle en algo más?",
        caller_for_you="Hola, tengo una llamada para usted.",
        connecting="Ahora le paso.",
    ),
    "fr": SystemPhrases(
        filler="Un instant, s'il vous plaît.",
        apology="Excusez-moi, il y a eu un problème de mon côté. Pouvez-vous répéter ?",
        trouble="Désolé, j'ai un problème technique et je dois terminer l'appel. Merci de rappeler plus tard.",
        still_working="J'y suis encore, merci de patienter.",
        repeat="Excusez-moi, je n'ai pas compris. Pouvez-vous répéter ?",
        no_answer="Désolé, je n'ai pas de réponse à cela. Pouvez-vous demander autrement ?",
        resumed="Excusez-moi, me revoilà. Continuez, je vous en prie.",
        recording_notice="Cet appel est enregistré.",
        goodbye="Merci de votre appel. Au revoir.",
        still_there="Êtes-vous toujours là ?",
        idle_goodbye="Je ne vous entends pas, je vais donc raccrocher. Au revoir.",
        drain_goodbye="Désolé, je dois terminer cet appel. Au revoir.",
        go_on="Dois-je continuer ?",
        anything_else="Puis-je faire autre chose pour vous ?",
        time_warning="Il nous reste environ une minute.",
        time_goodbye="Désolé, notre temps est écoulé. Merci de votre appel. Au revoir.",
        cost_warning="Nous allons devoir terminer bientôt.",
        cost_goodbye="Désolé, je dois terminer ici. Merci de votre appel. Au revoir.",
        no_transfer="Désolé, je n'ai pas pu vous passer la personne. Puis-je faire autre chose pour vous ?",
        caller_for_you="Bonjour, j'ai un appel pour vous.",
        connecting="Je vous mets en relation.",
    ),
    "de": SystemPhrases(
        filler="Einen Moment, bitte.",
        apology="Entschuldigung, bei mir ist etwas schiefgegangen. Können Sie das noch einmal sagen?",
        trouble="Es tut mir leid, ich habe technische Schwierigkeiten und muss auflegen. Bitte rufen Sie später an.",
        still_working="Ich bin noch dabei, danke für Ihre Geduld.",
        repeat="Entschuldigung, das habe ich nicht verstanden. Können Sie es noch einmal sagen?",
        no_answer="Darauf habe ich leider keine Antwort. Können Sie anders fragen?",
        resumed="Entschuldigung, ich bin wieder da. Bitte fahren Sie fort.",
        recording_notice="Dieses Gespräch wird aufgezeichnet.",
        goodbye="Danke für Ihren Anruf. Auf Wiederhören.",
        still_there="Sind Sie noch da?",
        idle_goodbye="Ich höre Sie nicht und lege jetzt auf. Auf Wiederhören.",
        drain_goodbye="Es tut mir leid, ich muss das Gespräch jetzt beenden. Auf Wiederhören.",
        go_on="Soll ich weitersprechen?",
        anything_else="Kann ich sonst noch etwas für Sie tun?",
        time_warning="Wir haben noch etwa eine Minute.",
        time_goodbye="Es tut mir leid, unsere Zeit ist um. Danke für Ihren Anruf. Auf Wiederhören.",
        cost_warning="Wir müssen bald zum Ende kommen.",
        cost_goodbye="Es tut mir leid, ich muss hier aufhören. Danke für Ihren Anruf. Auf Wiederhören.",
        no_transfer="Ich konnte Sie leider nicht verbinden. Kann ich sonst noch etwas für Sie tun?",
        caller_for_you="Guten Tag, ich habe einen Anruf für Sie.",
        connecting="Ich verbinde Sie jetzt.",
    ),
    "it": SystemPhrases(
        filler="Un momento, per favore.",
        apology="Mi scusi, qualcosa è andato storto da parte mia. Può ripetere?",
        trouble="Mi dispiace, ho un problema tecnico e devo chiudere la chiamata. La prego di richiamare più tardi.",
        still_working="Ci sto ancora lavorando, grazie dell'attesa.",
        repeat="Mi scusi, non ho capito. Può ripetere?",
        no_answer="Mi dispiace, non ho una risposta. Può chiederlo in un altro modo?",
        resumed="Mi scusi, sono di nuovo qui. Prego, continui.",
        recording_notice="Questa chiamata viene registrata.",
        goodbye="Grazie per aver chiamato. Arrivederci.",
        still_there="È ancora lì?",
        idle_goodbye="Non la sento, quindi riattacco. Arrivederci.",
        drain_goodbye="Mi dispiace, devo chiudere la chiamata. Arrivederci.",
        go_on="Vado avanti?",
        anything_else="Posso fare altro per lei?",
        time_warning="Ci resta circa un minuto.",
        time_goodbye="Mi dispiace, il nostro tempo è finito. Grazie per aver chiamato. Arrivederci.",
        cost_warning="Dobbiamo concludere tra poco.",
        cost_goodbye="Mi dispiace, devo concludere qui. Grazie per aver chiamato. Arrivederci.",
        no_transfer="Mi dispiace, non sono riuscito a passarle la persona. Posso fare altro per lei?",
        caller_for_you="Buongiorno, ho una chiamata per lei.",
        connecting="La metto in contatto.",
    ),
    "pt": SystemPhrases(
        filler="Um momento, por favor.",
        apology="Desculpe, algo correu mal do meu lado. Pode repetir?",
        trouble="Desculpe, estou com problemas técnicos e preciso encerrar a chamada. Por favor, ligue mais tarde.",
        still_working="Ainda estou tratando disso, obrigado por aguardar.",
        repeat="Desculpe, não entendi. Pode repetir?",
        no_answer="Desculpe, não tenho resposta para isso. Pode perguntar de outra forma?",
        resumed="Desculpe, já voltei. Continue, por favor.",
        recording_notice="Esta chamada é gravada.",
        goodbye="Obrigado por ligar. Até logo.",
        still_there="Ainda está aí?",
        idle_goodbye="Não consigo ouvir, por isso vou desligar. Até logo.",
        drain_goodbye="Desculpe, preciso encerrar a chamada. Até logo.",
        go_on="Posso continuar?",
        anything_else="Posso ajudar em mais alguma coisa?",
        time_warning="Temos mais ou menos um minuto.",
        time_goodbye="Desculpe, o nosso tempo acabou. Obrigado por ligar. Até logo.",
        cost_warning="Temos de terminar em breve.",
        cost_goodbye="Desculpe, tenho de terminar aqui. Obrigado por ligar. Até logo.",
        no_transfer="Desculpe, não consegui passar a chamada. Posso ajudar em mais alguma coisa?",
        caller_for_you="Olá, tenho uma chamada para si.",
        connecting="Vou passar a chamada.",
    ),
}
"""By the primary subtag of BCP-47."""


def phrases_in(language: str) -> SystemPhrases:
    """Ours in a language; in English where we do not know it. language: BCP-47."""
    return PHRASES.get(language.partition("-")[0].lower(), ENGLISH)


def in_language(plan: CallPlan, language: str) -> CallPlan:
    """The same plan for a call that goes on in another of its languages."""
    return replace(plan, language=language, lines=phrases_in(language))


def language_among(languages: tuple[str, ...], wanted: str) -> str:
    """The one of a call's languages that is meant: the same, or the first of the same primary subtag; "" for none."""
    asked = wanted.strip().lower().replace("_", "-")
    exact = (each for each in languages if each.lower() == asked)
    alike = (each for each in languages if asked and each.lower().partition("-")[0] == asked.partition("-")[0])
    return next(exact, "") or next(alike, "")
